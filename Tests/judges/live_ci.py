"""Run action.yml and .pre-commit-hooks.yaml as their servers would, as far as that goes without them.

The action's steps run in bash with their expressions substituted and the files that a GitHub runner gives; the hook is run by
pre-commit itself, out of a clone of this repository, over a repository made here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("RNNCONV_BINARY", ROOT / ".build-tests/release/rnnconv")).resolve()
SYSTEM_PATH = "/usr/bin:/bin"
problems: list[str] = []


def expect(condition: object, what: str, detail: object = "") -> None:
    if not condition:
        problems.append(f"{what}\n{detail}".rstrip())


class Action:
    """action.yml, run step by step."""

    def __init__(self) -> None:
        self.text = (ROOT / "action.yml").read_text()
        self.action = yaml.safe_load(self.text)

    def run(self, place: Path, given: dict[str, str], path: str = SYSTEM_PATH) -> tuple[int, str, dict[str, str], str]:
        """With the inputs given, over the folder models: the exit code, everything printed, the outputs, the summary page."""
        given = {"path": "models"} | given
        assert set(given) <= set(self.action["inputs"]), given
        values = {f"inputs.{name}": given.get(name, value.get("default", "")) for name, value in self.action["inputs"].items()}
        values["github.action_path"] = str(ROOT)
        summary, printed, code = place / "summary.md", "", 0
        summary.touch()

        def substituted(text: str) -> str:
            return re.sub(r"\$\{\{\s*(\S+)\s*\}\}", lambda match: values[match[1]], text)

        for step in self.action["runs"]["steps"]:
            output = place / f"{step['id']}.output"
            output.write_text("")
            environment = {name: substituted(value) for name, value in step["env"].items()}
            environment |= {"PATH": path, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary),
                            "GITHUB_WORKSPACE": str(place), "RUNNER_TEMP": str(place)}
            run = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", substituted(step["run"])],
                                 cwd=place, env=environment, capture_output=True, text=True, check=False)
            printed += run.stdout + run.stderr
            for line in output.read_text().splitlines():
                name, value = line.split("=", 1)
                values[f"steps.{step['id']}.outputs.{name}"] = value
            code = run.returncode
            if code != 0:
                break
        outputs = {}
        for name, output in self.action["outputs"].items():
            key = re.fullmatch(r"\$\{\{\s*(\S+)\s*\}\}", output["value"])[1]
            outputs[name] = values.get(key, "")
        return code, printed, outputs, summary.read_text()


def models(place: Path) -> Path:
    """A folder of the demo's model with its manifest, and nothing wrong."""
    folder = place / "models"
    shutil.copytree(ROOT / "fixtures/demo", folder / "demo")
    subprocess.run([BINARY, "check", folder, "--init"], check=True, capture_output=True)
    return folder


def archive(place: Path) -> tuple[str, str]:
    """An archive as `make dist` makes it; its address and hash."""
    target = place / "rnnconv.tar.gz"
    with tarfile.open(target, "w:gz") as tar:
        tar.add(BINARY, "rnnconv-0-linux/bin/rnnconv")
    return target.as_uri(), hashlib.sha256(target.read_bytes()).hexdigest()


def try_action(place: Path) -> None:
    action = Action()
    folder = models(place)
    scripts = [step["run"] for step in action.action["runs"]["steps"]]
    expect(not any("${{" in script for script in scripts), "an expression stands in a script, where it could hold commands")
    used = set(re.findall(r"inputs\.([a-z0-9-]+)", action.text))
    expect(used == set(action.action["inputs"]), "inputs declared and used differ", used ^ set(action.action["inputs"]))

    address, digest = archive(place)
    beside = place / "bin"
    beside.mkdir()
    (beside / "rnnconv").symlink_to(BINARY)
    ways = {
        "binary": {"binary": str(BINARY)}, "PATH": {"variable": f"{beside}:{SYSTEM_PATH}"},
        "archive": {"archive": address, "archive-sha256": digest},
    }
    for way, given in ways.items():
        variable = given.pop("variable", SYSTEM_PATH)
        code, printed, outputs, summary = action.run(place, given, variable)
        expect(code == 0 and outputs["exit-code"] == "0", f"rnnconv by {way}: {code}", printed)
        expect("✅ rnnconv check: 1 passed" in summary, f"rnnconv by {way}: no summary", summary)
    refusals = {
        "a wrong hash": ({"archive": address, "archive-sha256": "0" * 64}, "is not what archive-sha256 says"),
        "no hash": ({"archive": address}, "archive-sha256 is needed"),
        "no such binary": ({"binary": "/no/such/program"}, "there is no program"),
        "nothing at all": ({}, "no rnnconv: give 'binary'"),
        "a flag that is none": ({"binary": str(BINARY), "power": "perhaps"}, "power: give true or false"),
    }
    for name, (given, words) in refusals.items():
        code, printed, _, _ = action.run(place, given)
        expect(code != 0 and words in printed and "::error::" in printed, f"{name}: {code}", printed)

    given = {"binary": str(BINARY), "junit": "out/j.xml", "sarif": "out/s.sarif", "shard": "1/1", "jobs": "1", "power": "true"}
    (place / "out").mkdir()
    code, printed, _, _ = action.run(place, given)
    expect(code == 0, "with all options", printed)
    expect((place / "out/j.xml").is_file() and (place / "out/s.sarif").is_file(), "reports were not written", printed)

    code, printed, _, _ = action.run(place, {"binary": str(BINARY), "path": "$(touch pwned); touch pwned"})
    expect(code == 4 and not (place / "pwned").exists(), "an input was run as a command", printed)

    damaged = folder / "demo/model.onnx"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-30])
    code, printed, outputs, summary = action.run(place, {"binary": str(BINARY)})
    expect(code == 1 and outputs["exit-code"] == "1", f"a damaged model: {code}", printed)
    expect("::error file=models/demo/model.onnx,title=demo%3A unreadable::" in printed, "no annotation", printed)
    expect("❌ rnnconv check" in summary, "no summary of the failure", summary)
    damaged.write_bytes(whole)


def try_hook(place: Path) -> None:
    def run(*words: object, cwd: Path = place) -> tuple[int, str]:
        environment = os.environ | {"PATH": f"{BINARY.parent}:{os.environ['PATH']}", "PRE_COMMIT_HOME": str(place / "cache")}
        done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    pre_commit = (sys.executable, "-m", "pre_commit")
    code, printed = run(*pre_commit, "validate-manifest", ROOT / ".pre-commit-hooks.yaml")
    expect(code == 0, "pre-commit refuses .pre-commit-hooks.yaml", printed)
    repository = place / "repository"
    shutil.copytree(ROOT / "fixtures/demo", repository / "demo")
    run(BINARY, "check", repository, "--init")
    for words in (("init", "-q"), ("add", "-A")):
        run("git", *words, cwd=repository)
    words = (*pre_commit, "try-repo", ROOT, "rnnconv-check-system", "--verbose")
    code, printed = run(*words, "--all-files", cwd=repository)
    expect(code == 0 and "1 passed, 0 failed" in printed, f"the hook: {code}", printed)
    model = repository / "demo/model.onnx"
    model.write_bytes(model.read_bytes()[:-30])
    run("git", "add", "-A", cwd=repository)
    code, printed = run(*words, cwd=repository)
    expect(code == 1 and "FAIL  demo" in printed, f"the hook over a damaged model: {code}", printed)
    # Nothing that it cares about is in this commit.
    (repository / "readme.txt").write_text("text")
    code, printed = run(*words, "--files", "readme.txt", cwd=repository)
    expect(code == 0 and "no files to check" in printed, f"the hook over a text: {code}", printed)


def main() -> None:
    for trial in (try_action, try_hook):
        with tempfile.TemporaryDirectory() as place:
            trial(Path(place).resolve())
    if problems:
        raise SystemExit("\n\n".join(problems))
    print("action.yml runs as it should, and pre-commit runs the hook")


if __name__ == "__main__":
    main()
