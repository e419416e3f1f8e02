// Lists of executions: one statement, built from the conditions that are asked for.
#include "store/catalogue/catalogue.h"

// For each label a name and a value, and the conditions that occur once.
#define LIST_PARAMETERS_MAX (4 * STORE_LIST_VALUES_MAX + STATUS_COUNT + 8)

// By a time or the beginning of an identifier, a page is looked for among the newest first: so many for each that it
// may have. Of a time it goes on with so many times as many, until what follows is older than the time by as much as
// clocks of servers may ever be apart: not one execution, which may have a time of its own, but some beside each other.
#define WALK_FOR_EACH   20
#define WALK_GROWS      4
#define WALK_MOST       (INT64_C(1) << 40) // at once; behind that all is looked at
#define WALK_BESIDE     16
#define CLOCKS_APART_MS (24 * 3600 * 1000LL)

// A statement that grows with its conditions, and the values for its parameters.
struct list_query {
    struct buf sql;
    struct list_value {
        struct str text;
        int64_t number;
        bool is_text;
    } values[LIST_PARAMETERS_MAX];
    size_t count;
};

// `sql` ends with the parameter's question mark; the number is written behind it.
static void add_value(struct list_query *query, const char *sql, struct list_value value)
{
    query->values[query->count++] = value;
    buf_append_text(&query->sql, sql);
    buf_append_u64(&query->sql, query->count);
}

static void add_number(struct list_query *query, const char *sql, int64_t number)
{
    add_value(query, sql, (struct list_value){.number = number});
}

static void add_text(struct list_query *query, const char *sql, struct str text)
{
    add_value(query, sql, (struct list_value){.text = text, .is_text = true});
}

static void add_any_of(struct list_query *query, const char *column, const struct store_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        if (i == 0)
            buf_printf(&query->sql, " AND %s IN (", column);
        add_text(query, i == 0 ? "?" : ",?", values->items[i]);
    }
    if (values->count > 0)
        buf_append_byte(&query->sql, ')');
}

// Adds one join for each name.
static void add_labels(struct list_query *query, const struct store_list *list)
{
    for (size_t i = 0; i < list->label_count; i++) {
        struct store_values values = {0};
        struct str name = list->labels[i].name;
        bool seen = false, any = false;
        for (size_t j = 0; j < list->label_count; j++) {
            if (!str_eq(list->labels[j].name, name))
                continue;
            seen |= j < i;
            any |= list->labels[j].value.len == 0;
            values.items[values.count++] = list->labels[j].value;
        }
        if (seen)
            continue;
        CLEANUP(free_ptr)
        char *join = xasprintf(
            " JOIN labels l%zu ON l%zu.account = e.account AND l%zu.execution = e.id AND l%zu.name = ?", i, i, i, i);
        CLEANUP(free_ptr) char *column = xasprintf("l%zu.value", i);
        add_text(query, join, name);
        if (!any)
            add_any_of(query, column, &values);
    }
}

static void add_statuses(struct list_query *query, unsigned statuses)
{
    struct store_values values = {0};
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        if (statuses >> i & 1)
            values.items[values.count++] = str_of(status_word((enum execution_status)i));
    add_any_of(query, "e.status", &values);
}

// Not by an index: among few.
static void add_prefix_within(struct list_query *query, struct str prefix)
{
    buf_printf(&query->sql, " AND substr(e.execution_id, 1, %zu) = ", prefix.len);
    add_text(query, "?", prefix);
}

// Identifiers are ASCII. So all that begin with the prefix lie below the prefix with its last byte raised to the
// highest.
static void add_prefix(struct list_query *query, struct str prefix, char end[ID_EXECUTION_MAX + 2])
{
    size_t len = MIN(prefix.len, (size_t)ID_EXECUTION_MAX);
    memcpy(end, prefix.data, len);
    end[len] = 0x7f;
    add_text(query, " AND e.execution_id >= ?", prefix);
    add_text(query, " AND e.execution_id < ?", str_n(end, len + 1));
}

// All but the one on the identifier.
static void list_conditions(struct list_query *query, const char *what, const struct store_list *list)
{
    buf_printf(&query->sql, "SELECT %s FROM executions e", what);
    add_labels(query, list);
    buf_append_text(&query->sql, " WHERE e.purged = 0");
    if (list->unsealed_only)
        buf_append_text(&query->sql, " AND e.sealed = 0");
    else
        add_number(query, " AND e.account = ?", list->account);
    if (list->owner.len > 0)
        add_text(query, " AND e.owner = ?", list->owner);
    add_statuses(query, list->statuses);
    add_any_of(query, "e.batch_id", &list->batch_ids);
    add_any_of(query, "e.workflow_id", &list->workflow_ids);
    if (list->since_ms > 0)
        add_number(query, " AND e.created_ms >= ?", list->since_ms);
}

static void list_page(struct list_query *query, const struct store_list *list, int64_t limit, bool sorted)
{
    if (list->before_row > 0)
        add_number(query, list->unsealed_only ? " AND +e.id < ?" : " AND e.id < ?", list->before_row);
    buf_printf(&query->sql, " ORDER BY %se.id DESC", sorted ? "+" : "");
    add_number(query, " LIMIT ?", limit);
}

static struct sql_statement *prepare(struct sql *sql, const struct list_query *query, const char *text)
{
    struct sql_statement *select = sql_prepare(sql, text);
    for (size_t i = 0; i < query->count; i++) {
        if (query->values[i].is_text)
            sql_bind_text(select, (int)i + 1, query->values[i].text);
        else
            sql_bind_i64(select, (int)i + 1, query->values[i].number);
    }
    return select;
}

int catalogue_list_total(struct sql *sql, const struct store_list *list, uint64_t *ret)
{
    struct list_query query = {0};
    char end[ID_EXECUTION_MAX + 2];
    buf_append_text(&query.sql, "SELECT count(*) FROM (");
    list_conditions(&query, "1 AS one", list);
    if (list->id_prefix.len > 0)
        add_prefix(&query, list->id_prefix, end);
    add_number(&query, " LIMIT ?", (int64_t)MIN(list->count_max, (uint64_t)INT64_MAX - 1) + 1);
    buf_append_text(&query.sql, ") AS counted");
    CLEANUP(buf_release) struct buf text = query.sql;
    CLEANUP(sql_statement_free) struct sql_statement *select = prepare(sql, &query, buf_cstr(&text));
    int rc = sql_row(select);
    *ret = rc == 1 ? sql_u64(select, 0) : 0;
    return MIN(rc, 0);
}

// --- Pages

struct page {
    int64_t *rows; // room for `wanted`
    size_t count, wanted;
};

static int take_rows(struct sql *sql, const struct list_query *query, struct page *page)
{
    CLEANUP(buf_release) struct buf text = query->sql;
    CLEANUP(sql_statement_free) struct sql_statement *select = prepare(sql, query, buf_cstr(&text));
    int rc = 0;
    while (page->count < page->wanted && (rc = sql_row(select)) == 1)
        page->rows[page->count++] = sql_i64(select, 0);
    return MIN(rc, 0);
}

// By identifier, or if only open ones are wanted, there are few, which are then sorted. Otherwise rows are read in this
// order.
static int take_all(struct sql *sql, const struct store_list *list, struct page *page)
{
    struct list_query query = {0};
    char end[ID_EXECUTION_MAX + 2];
    list_conditions(&query, "e.id", list);
    if (list->id_prefix.len > 0)
        add_prefix(&query, list->id_prefix, end);
    list_page(&query, list, (int64_t)page->wanted, list->id_prefix.len > 0 || list->unsealed_only);
    page->count = 0;
    return take_rows(sql, &query, page);
}

// The rows from a floor on that are before where the list stands.
static int take_from(struct sql *sql, const struct store_list *list, int64_t floor, struct page *page)
{
    struct list_query query = {0};
    list_conditions(&query, "e.id", list);
    if (list->id_prefix.len > 0)
        add_prefix_within(&query, list->id_prefix);
    add_number(&query, " AND e.id >= ?", floor);
    list_page(&query, list, (int64_t)(page->wanted - page->count), false);
    return take_rows(sql, &query, page);
}

struct floor {
    int64_t row;        // 0: there are fewer
    int64_t created_ms; // of the youngest beside it
};

static int find_floor(struct sql *sql, const struct store_list *list, int64_t back, struct floor *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTIONS_BACK);
    sql_bind_i64(find, 1, list->account);
    sql_bind_i64(find, 2, list->before_row > 0 ? list->before_row : INT64_MAX);
    sql_bind_i64(find, 3, back);
    sql_bind_i64(find, 4, WALK_BESIDE);
    int rc;
    for (*ret = (struct floor){0}; (rc = sql_row(find)) == 1; ret->row = sql_i64(find, 0))
        ret->created_ms = MAX(ret->created_ms, sql_i64(find, 1));
    return rc;
}

// Few are younger than a time, or many begin so: then all is found near the newest, however many there are behind them.
// Where an index finds what is wanted, by identifier, it is asked when little was found there.
static int walk(struct sql *sql, const struct store_list *list, struct page *page)
{
    struct store_list from = *list;
    struct floor floor;
    for (int64_t back = (int64_t)page->wanted * WALK_FOR_EACH; back < WALK_MOST; back *= WALK_GROWS) {
        int err = find_floor(sql, &from, back, &floor);
        if (err == 0 && floor.row == 0)
            break;
        if (err == 0)
            err = take_from(sql, &from, floor.row, page);
        if (err < 0 || page->count == page->wanted)
            return err;
        if (list->since_ms > 0 && floor.created_ms < list->since_ms - CLOCKS_APART_MS)
            return 0;
        if (list->id_prefix.len > 0)
            break;
        from.before_row = floor.row;
    }
    return list->id_prefix.len > 0 ? take_all(sql, list, page) : take_from(sql, &from, 0, page);
}

int catalogue_list_rows(struct sql *sql, const struct store_list *list, unsigned limit, int64_t *ret_rows,
                        size_t *ret_count)
{
    struct page page = {.rows = ret_rows, .wanted = (size_t)limit + 1}; // one more tells whether there are more
    bool walks = !list->unsealed_only && (list->id_prefix.len > 0 || list->since_ms > 0);
    int err = (walks ? walk : take_all)(sql, list, &page);
    *ret_count = page.count;
    return err;
}
