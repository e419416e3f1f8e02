#include "cli/table.h"

#include "cli/text_width.h"

#define CUT_LEAST 8 // characters; a shorter rest of a cell says nothing

struct layout {
    size_t *widths; // 0: left out
    size_t count;
};

static size_t total_width(const struct layout *layout)
{
    size_t width = 0;
    for (size_t i = 0; i < layout->count; i++)
        width += layout->widths[i] ? layout->widths[i] + TABLE_GAP : 0;
    return width > 0 ? width - TABLE_GAP : 0;
}

static void leave_out(const struct table_column *columns, struct layout *layout, unsigned which)
{
    for (size_t i = 0; i < layout->count; i++)
        if (columns[i].leave == which)
            layout->widths[i] = 0;
}

static void fit(const struct table_column *columns, struct layout *layout, size_t width)
{
    size_t cut = 0, full = 0;
    while (cut < layout->count && !columns[cut].cut)
        cut++;
    if (cut < layout->count) {
        full = layout->widths[cut];
        layout->widths[cut] = MIN(full, (size_t)CUT_LEAST);
    }
    for (unsigned which = 1; which <= layout->count && total_width(layout) > width; which++)
        leave_out(columns, layout, which);
    size_t total = total_width(layout);
    if (cut < layout->count && layout->widths[cut] && total < width)
        layout->widths[cut] = MIN(full, layout->widths[cut] + width - total);
}

static void append_cell(struct buf *out, const char *text, size_t width, size_t *pending)
{
    if (*text)
        buf_printf(out, "%*s", (int)*pending, "");
    text_append_cut(out, str_of(text), width);
    *pending = (*text ? 0 : *pending) + width - MIN(text_width(str_of(text)), width) + TABLE_GAP;
}

void table_append(const struct table_column *columns, size_t column_count, const char *const *cells, size_t rows,
                  size_t width, struct buf *out)
{
    CLEANUP(free_ptr) size_t *widths = xcalloc(column_count, sizeof(*widths));
    struct layout layout = {widths, column_count};
    for (size_t i = 0; i < column_count; i++)
        widths[i] = text_width(str_of(columns[i].title));
    for (size_t i = 0; i < column_count * rows; i++)
        widths[i % column_count] = MAX(widths[i % column_count], text_width(str_of(cells[i])));
    if (width > 0 && total_width(&layout) > width)
        fit(columns, &layout, width);
    for (size_t row = 0; row <= rows; row++) {
        size_t pending = 0; // spaces that are written only if a cell follows them
        for (size_t i = 0; i < column_count; i++)
            if (widths[i])
                append_cell(out, row ? cells[(row - 1) * column_count + i] : columns[i].title, widths[i], &pending);
        buf_append_byte(out, '\n');
    }
}
