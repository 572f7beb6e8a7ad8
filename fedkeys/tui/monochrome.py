"""Screens without colour, as `NO_COLOR` asks: Textual's filter, for segments that have no style too."""

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import Monochrome

_PLAIN = Style()


class WithoutColour(Monochrome):
    """Textual's, but that a segment without a style, as plots have them, is one that has none to take away."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Take colours out of a line."""
        styled = [
            Segment(text, _PLAIN if style is None else style, control) for text, style, control in segments
        ]
        return super().apply(styled, background)
