extension HTMLReport {
  static let style = """
    \(palette)
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
    header { border-left: .4rem solid; padding: .2rem 1rem; background: var(--card); border-radius: .3rem; }
    header p { margin: .3rem 0; color: var(--ink); }
    header .verdict { font-size: 2rem; font-weight: 700; line-height: 1.2; color: inherit; }
    .identical, .equal { color: var(--good); } .close, .inconclusive { color: var(--fair); }
    .different { color: var(--bad); }
    h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
    dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
    li { overflow-wrap: anywhere; } ul { padding-left: 1.2rem; margin: .3rem 0; }
    code { font-family: ui-monospace, monospace; font-size: .9em; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
    th:first-child { text-align: left; } thead th { color: var(--dim); font-weight: 500; }
    tbody th { font-weight: 600; } .tag { font-weight: 600; }
    .map td { border: 2px solid var(--page); min-width: 5.5rem; text-align: center;
      background: color-mix(in srgb, var(--hot) var(--heat, 0%), var(--card)); }
    .map th { border: 0; } .map thead th { text-align: center; } .map small { display: block; color: inherit; }
    @media (max-width: 42rem) { .map thead th:first-child { display: none; }
      .map tr { display: grid; grid-template-columns: repeat(var(--gates), 1fr); }
      .map th[scope=row] { grid-column: 1 / -1; padding: .6rem 0 .2rem; } .map, .map thead, .map tbody { display: block; }
      .map td { min-width: 0; padding: .3rem .1rem; white-space: normal; } .map td[colspan] { grid-column: 1 / -1; }
      th, td { padding: .35rem .45rem; } }
    .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
    figure { margin: 0; padding: .7rem; background: var(--card); border-radius: .3rem; max-width: 38rem; }
    figcaption { font-weight: 600; } svg { display: block; width: 100%; height: auto; }
    figure p { margin: .3rem 0 0; }
    \(lines)
    .key { color: var(--dim); } .key span { display: inline-block; width: 1.6rem; height: 0; vertical-align: middle;
      border-top: 3px solid var(--deviation); } .key .bound { border-top: 3px dashed var(--bound); margin-left: .8rem; }
    .key .hidden { border-top: 3px dashed var(--bound); margin-left: .8rem; }
    .key .cell { border-top: 3px dotted var(--good); margin-left: .8rem; }
    .probes { columns: 14rem; } footer { margin: 2rem 0 1rem; color: var(--dim); }
    """

  /// Colours, light and dark.
  private static let palette = """
    :root { --page: #fff; --ink: #1c1e21; --dim: #5c636b; --line: #d9dde1; --card: #f5f6f8; --good: #17793d;
      --fair: #8a5a00; --bad: #b3261e; --deviation: #1f6feb; --bound: #c2570c; --hot: #d1242f; }
    @media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e8eaed; --dim: #a0a7ae; --line: #363c42;
      --card: #1e2226; --good: #5fce87; --fair: #e8b04a; --bad: #ff8a80; --deviation: #79b0ff; --bound: #f0a35e;
      --hot: #f2545b; } }
    """

  /// The lines of a plot.
  private static let lines = """
    svg text { fill: var(--dim); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--line); }
    svg .one { stroke: var(--ink); }
    svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
    svg .state { stroke: var(--deviation); } svg .hidden { stroke: var(--bound); stroke-dasharray: 6 3; }
    svg .cell { stroke: var(--good); stroke-dasharray: 2 3; }
    svg .deviation { stroke: var(--deviation); } svg .bound { stroke: var(--bound); stroke-dasharray: 6 3; }
    """

  /// Of a picture that stands alone.
  static let pictureStyle = """
    \(palette)
    \(lines)
    .page { fill: var(--page); } svg .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
    svg .said { fill: var(--ink); }
    """
}
