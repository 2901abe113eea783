"""What all pages share: the frame, tables, and pictures as files and embedded."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

REAL, SYNTHETIC, GREY = "#1f4e79", "#c8553d", "#8a8a8a"


def save_figures(workdir: Path, figures: Mapping[str, Figure]) -> dict[str, str]:
    """Writes ``figures/NAME.png`` and returns each picture in base 64."""
    folder = workdir / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    images = embed_figures(figures)
    for name, image in images.items():
        (folder / f"{name}.png").write_bytes(base64.b64decode(image))
    return images


def embed_figures(figures: Mapping[str, Figure]) -> dict[str, str]:
    """Each picture as a PNG in base 64."""
    images = {}
    for name, figure in figures.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        images[name] = base64.b64encode(buffer.getvalue()).decode()
    return images


def write_page(workdir: Path, page: str) -> None:
    """Writes ``report.html``, whole or not at all."""
    temporary = workdir / ".report.html.tmp"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(workdir / "report.html")


def put_banner(workdir: Path, banner: str) -> None:
    """Puts the yellow banner of what leaks on top of ``report.html``, whatever page it is."""
    page = (workdir / "report.html").read_text(encoding="utf-8")
    block = f'<div class="leak"><b>{html.escape(banner)}</b></div>'
    write_page(workdir, page.replace("<body>", f"<body>\n{block}", 1))


def put_foot(workdir: Path, rows: Mapping[str, str]) -> None:
    """Puts what a page comes from at the end of ``report.html``, whatever page it is."""
    page = (workdir / "report.html").read_text(encoding="utf-8")
    block = f"<h2>Where this comes from</h2>\n{table('', ['', ''], list(rows.items()))}"
    write_page(workdir, page.replace("</body>", f"{block}\n</body>", 1))


def render_page(title: str, parts: Sequence[str]) -> str:
    """One self-contained page of HTML parts."""
    return _PAGE.format(title=html.escape(title), body="\n".join(parts))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; all texts are escaped."""

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    top = (f"<caption>{html.escape(caption)}</caption>" if caption else "") + (line("th", head) if any(head) else "")
    return f"<table>{top}{body}</table>"


def image(data: str, alt: str) -> str:
    """An embedded picture; ``data`` is a PNG in base 64."""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def grid(rows: int, columns: int, *, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure and its rows×columns axes, each ``width`` × ``height`` inches."""
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; height: auto; }}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #ddd; }}
.verdict {{ border-left: 10px solid #8a8a8a; background: #f4f4f4; padding: 1rem 1.5rem; }}
.verdict h1 {{ margin: 0; }} .verdict p {{ margin: .3rem 0; }}
.helps {{ border-color: #2e7d32; }} .hurts {{ border-color: #b3261e; }}
.leak {{ border-left: 10px solid #e0a100; background: #fff8e1; padding: 1rem 1.5rem; margin-top: 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-size: .92rem; }}
caption {{ text-align: left; font-weight: 600; padding: .3rem 0; }}
th, td {{ border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left; }}
td + td {{ font-variant-numeric: tabular-nums; }}
</style></head><body>
{body}
</body></html>
"""
