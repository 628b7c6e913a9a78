extension HTMLReport {
  static let style = """
    \(palette)
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
      overflow-wrap: anywhere; }
    main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
    header { border-left: .4rem solid; padding: .4rem 1rem; background: var(--card); border-radius: .3rem; }
    header p, header dl { margin: .3rem 0; color: var(--ink); }
    h1 { margin: 0; font-size: 2rem; line-height: 1.2; }
    .identical, .equal { color: var(--good); } .close, .inconclusive { color: var(--fair); }
    .different { color: var(--bad); }
    h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
    sub { font-size: .7em; line-height: 0; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
    dt { color: var(--dim); } dd { margin: 0; }
    small { display: block; color: var(--dim); } ul { padding-left: 1.2rem; margin: .3rem 0; }
    code { font-family: ui-monospace, monospace; font-size: .9em; }
    .command { display: block; padding: .4rem .6rem; background: var(--page); border-radius: .3rem; user-select: all; }
    .command span { display: inline-block; max-width: 100%; }
    \(tables)
    .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
    figure { margin: 0; padding: .7rem; background: var(--card); border-radius: .3rem; max-width: 38rem; }
    figcaption { font-weight: 600; } figure.flows { max-width: none; }
    @media (min-width: 42rem) { figure.flows { display: grid; grid-template-columns: 3fr 2fr; gap: 1rem; } }
    svg { display: block; width: 100%; height: auto; }
    \(lines)
    .key { color: var(--dim); } .key span { display: inline-block; width: 1.6rem; height: 0; vertical-align: middle;
      border-top: 3px solid var(--deviation); } .key .bound { border-top: 3px dashed var(--bound); margin-left: .8rem; }
    ul.flows { list-style: none; padding: 0; } ul.flows li { display: flex; gap: .6rem; align-items: baseline; }
    ul.flows svg { flex: none; width: 2.5rem; height: .625rem; }
    .probes { columns: 14rem; }
    """

  /// Colours, light and dark.
  private static let palette = """
    :root { --page: #fff; --ink: #1c1e21; --dim: #5c636b; --line: #d9dde1; --card: #f5f6f8; --good: #17793d;
      --fair: #8a5a00; --bad: #b3261e; --deviation: #1f6feb; --bound: #c2570c; --hot: #d1242f; }
    @media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e8eaed; --dim: #a0a7ae; --line: #363c42;
      --card: #1e2226; --good: #5fce87; --fair: #e8b04a; --bad: #ff8a80; --deviation: #79b0ff; --bound: #f0a35e;
      --hot: #f2545b; } }
    """

  /// On a phone terms stand above what they mean, and a row becomes a block.
  private static let tables = """
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
    td, thead th { white-space: nowrap; }
    th:first-child { text-align: left; } thead th { color: var(--dim); font-weight: 500; }
    tbody th { font-weight: 600; } .tag { font-weight: 600; }
    .map td { border: 2px solid var(--page); min-width: 5.5rem; text-align: center;
      background: color-mix(in srgb, var(--hot) var(--heat, 0%), var(--card)); }
    .map th { border: 0; } .map thead th { text-align: center; } .map td small { color: inherit; }
    .map td.same { color: var(--dim); } .map td.none { background: none; } .map td[colspan] { white-space: normal; }
    @media (max-width: 42rem) { header dl { grid-template-columns: 1fr; }
      table, thead, tbody { display: block; } tr { display: grid; }
      th, td { padding: .35rem .45rem; }
      .outputs thead { display: none; } .outputs tr { grid-template-columns: 1fr 1fr; padding: .4rem 0;
        border-bottom: 1px solid var(--line); }
      .outputs th, .outputs td { border: 0; padding: .1rem 0; text-align: left; }
      .outputs [data-name]::before { content: attr(data-name); display: block; color: var(--dim); font-size: .85em; }
      .map thead th:first-child { display: none; } .map tr { grid-template-columns: repeat(var(--gates), 1fr); }
      .map th[scope=row] { grid-column: 1 / -1; padding: .6rem 0 .2rem; }
      .map td { min-width: 0; padding: .3rem .1rem; white-space: normal; } .map td[colspan] { grid-column: 1 / -1; } }
    """

  /// The lines of a plot.
  private static let lines = """
    svg text { fill: var(--dim); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--line); }
    svg .one { stroke: var(--ink); }
    svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
    svg .state { stroke: var(--deviation); } svg .hidden { stroke: var(--bound); stroke-dasharray: 6 3; }
    svg .cell { stroke: var(--good); stroke-dasharray: 2 3; }
    svg .deviation { stroke: var(--deviation); } svg .bound { stroke: var(--bound); stroke-dasharray: 6 3; }
    svg .side0 { stroke: var(--deviation); stroke-width: 4; } svg .side1 { stroke: var(--bound); stroke-width: 1.5; }
    svg .dash1 { stroke-dasharray: 7 4; } svg .dash2 { stroke-dasharray: 2 3; } svg .dash3 { stroke-dasharray: 9 3 2 3; }
    """

  /// Of a picture that stands alone.
  static let pictureStyle = """
    \(palette)
    \(lines)
    .page { fill: var(--page); } svg .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
    svg .said { fill: var(--ink); }
    """
}
