"""Draws the pictures of docs/forms.md: python docs/pictures/draw_forms.py"""

from __future__ import annotations

from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WIDE, HIGH, STEP, LEFT = 62, 28, 84, 16
ROWS = {"out": 20, "head": 68, "cell": 116, "in": 164}
COLOURS = {"out": "#fde7c8", "head": "#e4e4ee", "cell": "#cfe5d6", "in": "#d5e4f5", "back": "#b4462a"}


class Picture:
    def __init__(self, columns: int, title: str) -> None:
        self.width, self.height = 2 * LEFT + (columns - 1) * STEP + WIDE, 210
        self.title, self.parts = title, []

    def x(self, column: float) -> float:
        return LEFT + column * STEP

    def box(self, row: str, column: float, text: str, faded: bool = False) -> None:
        x, y = self.x(column), ROWS[row]
        opacity = ' opacity="0.35"' if faded else ""
        self.parts.append(
            f'<g{opacity}><rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="{COLOURS[row]}" '
            f'stroke="#555"/><text x="{x + WIDE / 2}" y="{y + 18.5}" text-anchor="middle">{escape(text)}</text></g>')

    def line(self, points: list[tuple[float, float]], colour: str = "#555") -> None:
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        marker = "back" if colour == COLOURS["back"] else "arrow"
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" marker-end="url(#{marker})"/>')

    def up(self, lower: str, upper: str, column: float) -> None:
        x = self.x(column) + WIDE / 2
        self.line([(x, ROWS[lower]), (x, ROWS[upper] + HIGH + 4)])

    def along(self, row: str, column: float) -> None:
        y = ROWS[row] + HIGH / 2
        self.line([(self.x(column) + WIDE, y), (self.x(column + 1) - 4, y)])

    def fed_back(self, row: str, column: float) -> None:
        """From what a step puts out to the input of the next one."""
        x, y, gap = self.x(column) + WIDE, ROWS[row] + HIGH / 2, (STEP - WIDE) / 2
        below = ROWS["in"] + HIGH / 2
        self.line([(x, y), (x + gap, y), (x + gap, below), (self.x(column + 1) - 4, below)], COLOURS["back"])

    def write(self, name: str) -> None:
        markers = "".join(
            f'<marker id="{key}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
            for key, colour in (("arrow", "#555"), ("back", COLOURS["back"])))
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'role="img" font-family="sans-serif" font-size="12"><title>{escape(self.title)}</title>'
            f'<defs>{markers}</defs><rect width="100%" height="100%" fill="#fff"/>{"".join(self.parts)}</svg>\n')
        (FOLDER / f"{name}.svg").write_text(text)


def many_to_one() -> None:
    picture = Picture(6, "Many to one: a head on the last valid step of a ragged sequence")
    words = ["not", "good", "…", "sad", "(pad)", "(pad)"]
    for step, word in enumerate(words):
        faded = step > 3
        picture.box("in", step, word, faded)
        picture.box("cell", step, f"h{'₁₂₃₄₅₆'[step]}", faded)
        if not faded:
            picture.up("in", "cell", step)
        if step < 3:
            picture.along("cell", step)
    picture.box("head", 3, "Dense")
    picture.box("out", 3, "opinion")
    picture.up("cell", "head", 3)
    picture.up("head", "out", 3)
    picture.write("many-to-one")


def many_to_many() -> None:
    picture = Picture(5, "Many to many: a head on every frame")
    for step in range(5):
        picture.box("in", step, f"frame {step + 1}")
        picture.box("cell", step, f"h{'₁₂₃₄₅'[step]}")
        picture.box("head", step, "Dense")
        picture.box("out", step, f"label {step + 1}")
        for lower, upper in (("in", "cell"), ("cell", "head"), ("head", "out")):
            picture.up(lower, upper, step)
        if step < 4:
            picture.along("cell", step)
    picture.write("many-to-many")


def decoder(picture: Picture, words: list[str], start: float) -> None:
    given = ["<start>", *words]
    for step, word in enumerate(words):
        column = start + step
        picture.box("in", column, given[step])
        picture.box("cell", column, "LSTM")
        picture.box("head", column, "argmax")
        picture.box("out", column, word)
        for lower, upper in (("in", "cell"), ("cell", "head"), ("head", "out")):
            picture.up(lower, upper, column)
        if step + 1 < len(words):
            picture.along("cell", column)
            picture.fed_back("out", column)


def one_to_many() -> None:
    picture = Picture(6, "One to many: features start the state, each word is the next input, a stop token ends the row")
    picture.box("cell", 0, "features")
    picture.along("cell", 0)
    decoder(picture, ["two", "big", "red", "balls", "<stop>"], 1)
    picture.write("one-to-many")


def sequence_to_sequence() -> None:
    picture = Picture(8, "Sequence to sequence: the encoder's state goes to the decoder over a bridge")
    for step, letter in enumerate("xyz"):
        picture.box("in", step, letter)
        picture.box("cell", step, "LSTM")
        picture.up("in", "cell", step)
        picture.along("cell", step)
    picture.box("cell", 3, "bridge")
    picture.along("cell", 3)
    decoder(picture, ["z", "y", "x", "<stop>"], 4)
    picture.write("sequence-to-sequence")


for draw in (many_to_one, many_to_many, one_to_many, sequence_to_sequence):
    draw()
