#include "store/copy/check.h"

#include "store/copy/rows.h"
#include "util/error.h"

// Takes rows from the front for as long as both have the same ones. Returns how many.
static size_t take_same(struct str *a, struct str *b)
{
    size_t count = 0;
    while (a->len > 0 && b->len > 0) {
        struct str one = *a, other = *b;
        struct str left = copy_row_next(&one), right = copy_row_next(&other);
        if (!str_eq(left, right))
            break;
        *a = one;
        *b = other;
        count++;
    }
    return count;
}

static int differs(const struct copy_side *from, const struct copy_side *to, const struct copy_table *table,
                   struct str a, struct str b, struct buf *ret_error)
{
    struct str *some = a.len > 0 ? &a : &b;
    struct str row = copy_row_next(some);
    buf_printf(ret_error, "the row ");
    copy_row_key(table, row, ret_error);
    buf_printf(ret_error,
               " of the table %s is not the same in %s and %s, so the copy is not finished. Empty %s, and begin anew",
               table->name, from->name, to->name, to->name);
    return ERR_DIGEST;
}

int copy_rows_compare(struct copy_side *from, struct copy_side *to, const struct copy_table *table, uint64_t *rows,
                      struct buf *ret_error)
{
    CLEANUP(copy_scan_release) struct copy_scan kept = {.side = from, .table = table};
    CLEANUP(copy_scan_release) struct copy_scan copied = {.side = to, .table = table};
    CLEANUP(buf_release) struct buf left = {0}, right = {0};
    size_t count = 1, other = 0;
    while (count > 0) {
        int err = copy_scan_next(&kept, &left, &count);
        if (err == 0)
            err = copy_scan_next(&copied, &right, &other);
        if (err < 0)
            return err;
        struct str a = buf_str(&left), b = buf_str(&right);
        *rows += take_same(&a, &b);
        if (a.len > 0 || b.len > 0) // both read as many at once, as long as they are the same
            return differs(from, to, table, a, b, ret_error);
    }
    return 0;
}
