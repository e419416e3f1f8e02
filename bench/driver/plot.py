"""Small SVG line plots, logarithmic on both axes."""

import html
import math

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 190, 40, 52
COLOURS = ["#0b6e99", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be185d"]


def decades(low, high):
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def short(value):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def svg(title, x_name, y_name, series):
    points = [point for line in series.values() for point in line if point[0] > 0 and point[1] > 0]
    xs, ys = decades(min(p[0] for p in points), max(p[0] for p in points)), decades(
        min(p[1] for p in points), max(p[1] for p in points)
    )
    x0, x1, y0, y1 = xs[0], max(xs[-1], xs[0] + 1), ys[0], max(ys[-1], ys[0] + 1)

    def at(x, y):
        return (
            LEFT + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (math.log10(y) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM),
        )

    def label(x, y, text, **attributes):
        more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
        return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{html.escape(text)}</text>'

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        label(LEFT, 22, title, font_size=15),
    ]
    for decade in range(x0, x1 + 1):
        x, y = at(10.0**decade, 10.0**y0)
        out += [
            f'<path d="M{x:.1f} {TOP}V{y:.1f}" stroke="#ddd"/>',
            label(x, y + 18, short(10.0**decade), text_anchor="middle"),
        ]
    for decade in range(y0, y1 + 1):
        x, y = at(10.0**x0, 10.0**decade)
        out += [
            f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            label(x - 8, y + 4, short(10.0**decade), text_anchor="end"),
        ]
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [at(*point) for point in sorted(line) if point[0] > 0 and point[1] > 0]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        out += [
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            dots,
            f'<rect x="{WIDTH - RIGHT + 14}" y="{TOP + 20 * i}" width="12" height="12" fill="{colour}"/>',
            label(WIDTH - RIGHT + 32, TOP + 10 + 20 * i, name),
        ]
    out += [
        label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_name, text_anchor="middle"),
        label(14, TOP - 10, y_name),
        "</svg>",
    ]
    return "\n".join(out) + "\n"


PLOTS = {
    "latency": ("From the child's write to the reader's read", "lines a second", "ms"),
    "fan-out": ("Fan-out: deliveries per second of the server's CPU", "followers", "deliveries per CPU second"),
    "growth": ("Growth with the length of a log", "lines", "ms"),
    "memory": ("Memory", "followers", "MB"),
    "executions": ("Active executions, 10 lines a second each: acks", "executions", "ms"),
}


def write_all(series, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in series.items():
        if any(x > 0 and y > 0 for line in lines.values() for x, y in line):
            (folder / f"{name}.svg").write_text(svg(*PLOTS[name], lines))
