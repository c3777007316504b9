"""Figures as SVG inside a page: nothing outside of it, text that can be read out, own ids."""

import html
import io
import re

_MEASURE = re.compile(r' width="([0-9.]+)pt" height="[0-9.]+pt"')


def svg_of(figure, name, alternative):
    """The `<svg>` of a matplotlib figure, text for those who do not see it inside.

    Args:
        figure: `matplotlib.figure.Figure`.
        name: String, that all ids begin with: those of two figures in one page are else the same.
        alternative: String, what the figure shows.
    """
    import matplotlib

    file = io.StringIO()
    # Letters stay letters: they can be searched, and take a tenth of the place of outlines.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", bbox_inches="tight", metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r' xmlns:xlink="[^"]*"| xmlns="[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    wide = float(_MEASURE.search(text).group(1)) * 4 / 3  # CSS pixels
    # Wide figures may be scrolled on a phone, where smaller letters could not be read.
    style = f'style="width: 100%; max-width: {wide:.0f}px; min-width: {0.7 * wide:.0f}px"'
    text = _MEASURE.sub(f' {style} role="img" aria-labelledby="{name}-said"', text, count=1)
    said = f'<title id="{name}-said">{html.escape(alternative)}</title>'
    return re.sub(r"(<svg[^>]*>)", lambda found: found.group(1) + said, text, count=1)
