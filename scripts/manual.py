"""Write docs/rnnconv.1, the manual page, from what `rnnconv --experimental-dump-help` tells: manual.py BINARY [--check].

Python's standard library alone. With --check only compare, and fail where the page is stale.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/rnnconv.1"


def escaped(text: str) -> str:
    """As roff text: no line begins a request, no character is an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def flags(argument: dict, *, every: bool = True) -> str:
    """The names of an option, every one or only the preferred, and its value."""
    given = argument.get("names", []) if every else [argument["preferredName"]]
    names = [("--" if name["kind"] == "long" else "-") + name["name"] for name in given]
    value = "" if argument["kind"] == "flag" else f" \\fI{escaped(argument['valueName'])}\\fR"
    return ", ".join(f"\\fB{escaped(name)}\\fR" for name in names) + value


def usage(command: dict, path: str) -> list[str]:
    words = [f"\\fB{escaped(path)}\\fR"]
    if command.get("subcommands"):
        words.append("\\fIsubcommand\\fR")
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True):
            continue
        if argument["kind"] == "positional":
            text = f"\\fI{escaped(argument['valueName'])}\\fR" + (" ..." if argument.get("isRepeating") else "")
        elif argument.get("isOptional", True):
            continue
        else:
            text = flags(argument, every=False)
        words.append(f"[{text}]" if argument.get("isOptional") else text)
    return [" ".join(words + ["[\\fIoptions\\fR]"])]


def described(command: dict) -> list[str]:
    """Abstract, discussion with its examples set as they are, and the options."""
    lines = [escaped(command.get("abstract", "")), ".PP"]
    block = False
    for line in command.get("discussion", "").split("\n"):
        if line.startswith("  ") and not block:
            lines += [".PP", ".nf"]
            block = True
        elif not line.startswith("  ") and block:
            lines += [".fi"]
            block = False
        lines.append(".PP" if not line.strip() else escaped(line))
    if block:
        lines.append(".fi")
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True) or argument["kind"] == "positional":
            continue
        if any(name["name"] in ("help", "version") for name in argument.get("names", [])):
            continue
        lines += [".TP", flags(argument), escaped(argument.get("abstract", "").strip()) or "\\&"]
    return lines


def page(root: dict, version: str) -> str:
    subcommands = [command for command in root["subcommands"] if command.get("shouldDisplay", True) and command["commandName"] != "help"]
    name = root["commandName"]
    lines = [
        f'.TH RNNCONV 1 "" "{name} {version}" "User Commands"',
        ".SH NAME", f"{name} \\- {escaped(root['abstract'].rstrip('.'))}",
        ".SH SYNOPSIS",
    ]
    for command in subcommands:
        lines += usage(command, f"{name} {command['commandName']}") + [".br"]
    lines += [".SH DESCRIPTION"] + described(root)
    for command in subcommands:
        lines += [f".SH {name.upper()} {escaped(command['commandName'].upper())}"] + described(command)
    lines += [".SH SEE ALSO", escaped(f"Every subcommand has --help. The documentation is in docs/ of {name}'s sources.")]
    return "\n".join(line for line in lines if line) + "\n"


def main() -> None:
    binary = sys.argv[1]
    tool = json.loads(subprocess.run([binary, "--experimental-dump-help"], capture_output=True, check=True).stdout)
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    text = page(tool["command"], version)
    if "--check" not in sys.argv:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        raise SystemExit("docs/rnnconv.1 is stale: run make manual")


if __name__ == "__main__":
    main()
