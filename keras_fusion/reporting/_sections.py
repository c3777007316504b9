"""What a page is made of: sections of text, a figure and tables, and the cells of these."""

from dataclasses import dataclass, field

from keras_fusion.reporting._svg import svg_of


@dataclass
class Section:
    """A heading and what stands below it; nothing but plain text and SVG that we made."""

    heading: str
    text: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    code: bool = False  # whether the text is a command
    more: str = ""  # text as it is, behind a fold

    @property
    def anchor(self):
        """The name that links lead to."""
        return self.heading.lower().replace(" ", "-")

    def draw(self, figure, name, alternative):
        """Adds a figure; `alternative` is what it shows, for those who do not see it."""
        import markupsafe  # comes with Jinja2

        self.figures.append(markupsafe.Markup(svg_of(figure, name, alternative)))


def table(head, rows, caption=""):
    """A table; a cell is a string, or a dict with "text" and how it is marked."""
    rows = [[c if isinstance(c, dict) else {"text": str(c)} for c in row] for row in rows]
    return {"head": head, "rows": rows, "caption": caption}


def number(value):
    """A score; "" for one that is not there."""
    return "" if value is None or value != value else f"{value:.4g}"


def share(value):
    """A score with a bar, where it lies in [0, 1]."""
    if value is None or not 0 <= value <= 1:
        return {"text": number(value)}
    return {"text": f"{value:.4f}", "bar": round(100 * value, 1)}


def percent(value):
    """A share in percent."""
    return "" if value is None else f"{100 * value:.0f} %"
