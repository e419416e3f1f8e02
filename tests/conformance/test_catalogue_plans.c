// How the engines carry out the statements of the catalogue, and PostgreSQL those of the log: what grows is not read
// from end to end, among a million rows. Of those there are a part on PostgreSQL, and its planner is told of the
// others: filling its tables takes minutes. RUNNEL_TEST_ROWS is how many really are there.
#include "store/catalogue/test_catalogue.h"
#include "store/postgres/statements.h"
#include "store/sql/sql_private.h"

// --- Plans: nothing that grows is read from end to end

#define CLAIMED 1000000LL // rows, of PostgreSQL's planner

static const int64_t usual_rows[SQL_ENGINES] = {[SQL_SQLITE] = 100000, [SQL_POSTGRES] = 20000};

// A hundredth of all in each account; few of an account are open.
static const char *const growth[] = {
    "INSERT INTO accounts(name, created_ms) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
    "< 3000) "
    "SELECT 'a' || i, 1 FROM n",
    "INSERT INTO executions(account, execution_id, status, sealed, created_ms, owner, batch_id, workflow_id, "
    "worker_id, sealed_ms, cold) "
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT rows FROM grown)) "
    "SELECT 1 + i % 101, 'exec_' || i, "
    "CASE WHEN i % 100 < 10 THEN 'running' ELSE 'completed' END, CASE WHEN i % 100 < 10 THEN 0 ELSE 1 END, i, "
    "'o' || i % 97, 'b' || i % 1009, 'w' || i % 1013, 'w' || i % 1019, i, "
    "CASE WHEN i % 50 = 1 THEN 0 ELSE 1 END FROM n",
    "INSERT INTO documents(execution, metadata) SELECT id, '{}' FROM executions",
    "INSERT INTO results(execution, details) SELECT id, '{}' FROM executions WHERE id % 10 = 0",
    "INSERT INTO labels(account, name, value, execution) SELECT account, 'n', 'v' || id % 1009, id FROM executions",
    "INSERT INTO idempotency(account, key, request_hash, execution, created_ms) SELECT account, 'k' || id, 0, id, "
    "id "
    "FROM executions",
    // As many nodes as there never are, so that the engines seek.
    ("INSERT INTO nodes(kind, started_ms, heartbeat_ms, fenced_ms) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
     "SELECT i + 1 FROM n WHERE i < 3000) SELECT 2, 1, 1, CASE WHEN i % 500 = 0 THEN 1 ELSE 0 END FROM n"),
    "INSERT INTO leases(kind, subject, node, epoch, deadline_ms) SELECT 1, id, 1 + id % 2999, 1, 0 FROM executions "
    "WHERE sealed = 0",
    // Few of the jobs are live, as those that ended stay for as long as their executions do.
    ("INSERT INTO jobs(execution, account, state, demand, rank, turn, waits_for, root, attempt, tries, retry_of, "
     "superseded_by, batch, batch_index, not_before_ms, failed_ms, timeout_ms, rate_micros, trusted, retries, "
     "retry_delay_ms, retry_on) SELECT id, account, CASE WHEN id % 20 < 6 THEN id % 20 ELSE 6 END, 'd' || id % 7, "
     "0, "
     "id, 0, id, 1, 1, 0, 0, 1 + id % 3000, id, id, CASE WHEN id % 17 = 0 THEN id ELSE 0 END, 0, 0, 0, 0, 0, '' "
     "FROM executions"),
    "INSERT INTO dependencies(child, kind, parent, wish) SELECT id, id % 2, id - 1, 0 FROM executions",
    "INSERT INTO links(child, kind, parent, wish) SELECT id, id % 2, id - 1, 0 FROM executions",
    "INSERT INTO endings(kind, subject) SELECT id % 2, id FROM executions",
    ("INSERT INTO batches(account, batch_id, owner, idempotency_key, request_hash, created_ms, parallel, "
     "max_fails_percent, rate_micros, expected, open) "
     "SELECT account, 'batch_' || id, 'o' || id % 97, 'k' || id, 0, id, 0, 0, 0, 0, 0 FROM executions"),
    ("INSERT INTO secrets(account, name, sealed, version, created_ms, changed_ms, used_ms) "
     "SELECT account, 'n' || id, CAST('x' AS {bytes}), 1, 1, 1, 0 FROM executions"),
    "UPDATE blobs SET refs = CASE WHEN id % 100 = 0 THEN 0 ELSE 1 END",
    "INSERT INTO files(execution, kind, name, blob, mode, created_ms) "
    "SELECT id, id % 2, 'f' || id, 1 + id % 3000, 0, 0 FROM executions",
    ("INSERT INTO workflows(account, workflow_id, owner, graph, idempotency_key, request_hash, retention, created_ms, "
     "updated_ms) SELECT account, 'w' || id, 'o' || id % 97, id, 'k' || id, 0, CASE WHEN id % 100 = 0 THEN '7d' END, "
     "1, "
     "1 FROM executions WHERE id / 10 % 10 = 0"),
    "INSERT INTO graphs(graph) SELECT '{}' FROM executions WHERE id % 10 = 0",
    "INSERT INTO run_details(execution, graph, waiting_until_ms) "
    "SELECT id, id, CASE WHEN id % 100 = 0 THEN id ELSE 0 END FROM executions WHERE id % 10 = 0",
    "INSERT INTO summaries(execution, next, body) SELECT id, 0, CAST('x' AS {bytes}) FROM executions",
    "INSERT INTO source_events(execution, event) SELECT id, CAST('x' AS {bytes}) FROM executions",
    "INSERT INTO mirrors(execution, next, time_ms, pending) "
    "SELECT id, 0, id, CASE WHEN id % 100 = 0 THEN 1 ELSE 0 END FROM executions",
    "INSERT INTO mirror_places(execution, node, labels, from_ms, until_ms, lines) SELECT id, '', 0, 0, 0, 0 "
    "FROM executions",
    "INSERT INTO cold_packs(object, made_ms, bytes, live_bytes, live_chunks) "
    "SELECT 'o' || id, id, 100, CASE WHEN id % 100 = 0 THEN 1 ELSE 100 END, 1 FROM executions",
    "INSERT INTO cold_chunks(execution, first, count, raw, pack, place, length, checksum) "
    "SELECT id, 0, 10, 1000, id, 0, 100, 0 FROM executions",
    "INSERT INTO tickets(id, account, key_row, principal, until_ms) SELECT 't' || id, account, id, '{}', id "
    "FROM executions",
    "INSERT INTO purging_accounts(account) SELECT id FROM accounts WHERE id % 10 = 0",
};

static const char *const log_growth[] = {
    "CREATE TABLE chunks_77 PARTITION OF chunks FOR VALUES FROM (330712481792) TO (335007449088)",
    "CREATE TABLE chunks_78 PARTITION OF chunks FOR VALUES FROM (335007449088) TO (339302416384)",
    "INSERT INTO chunks(execution, first, count, time_min, time_max, raw, merged, body) "
    "SELECT id, n, 10, id, id, 1000, id % 100 > 0, 'x' FROM executions, generate_series(0, 30, 10) AS n",
    "INSERT INTO producers(execution, producer, next, last_hash, last_counter, last_sequence) "
    "SELECT id, 'p', 1, 1, 1, 1 FROM executions",
    "INSERT INTO events(execution, sequence, time_ms, stream, level, message, fields) "
    "SELECT id, n, id, 'event', 'INFO', 'm', '{}' FROM executions, generate_series(0, 2) AS n",
    "INSERT INTO news(transaction_id, made_ms, sender, kind, account, subject, value, words) "
    "SELECT id, id, id, 0, account, id, 0, '' "
    "FROM executions",
    "INSERT INTO unmerged(execution, due_ms) SELECT id, id FROM executions WHERE id % 10 = 0",
    "INSERT INTO purging(execution) SELECT id FROM executions WHERE id % 10 = 0",
    "INSERT INTO writers(sender, number, touched_ms) SELECT id, 1, id FROM executions",
    "INSERT INTO journals(sender, number, body) SELECT id % 5, id, '' FROM executions",
};

// Keys and contents, whose hashes are made by the program.
static void grow_hashes(struct sql *sql)
{
    for (int i = 0; i < 3000; i++) {
        char name[24];
        struct store_key_create made = {
            .key = {.account = 11 + i % 500, .key_id = name, .name = name, .role = ROLE_USER}};
        snprintf(name, sizeof(name), "key_%d", i);
        memcpy(made.key.hash, name, sizeof(name));
        assert_int_equal(catalogue_key_create(sql, &made), 0);
        struct store_blob_new blob = {.size = 1, .key = str_of(name)};
        memcpy(blob.hash, name, sizeof(name));
        struct store_blob_add add = {.account = 11 + i % 500, .blobs = &blob, .count = 1, .bytes_max = UINT64_MAX};
        assert_int_equal(catalogue_blob_add(sql, &add, i), 0);
    }
    for (int i = 0; i < 3000; i++) {
        char text[128];
        snprintf(text, sizeof(text), "INSERT INTO blob_bytes(account, bytes) VALUES(%d, 1) ON CONFLICT DO NOTHING", i);
        assert_int_equal(sql_exec(sql, text), 0);
    }
}

// The planner multiplies the pages that are there by the rows that a page is said to have.
static void claim_rows(struct sql *sql, int64_t factor)
{
    CLEANUP(free_ptr)
    char *text =
        xasprintf("UPDATE pg_class SET reltuples = reltuples * %lld WHERE relnamespace = 'public'::regnamespace "
                  "AND relkind IN ('r', 'i') AND reltuples > 0",
                  (long long)factor);
    assert_int_equal(sql_exec(sql, text), 0);
}

static void grow_by(struct sql *sql, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sql_exec(sql, texts[i]) < 0) {
            CLEANUP(free_ptr) char *reason = sql_reason(sql);
            fail_msg("%s: %s", texts[i], reason);
        }
}

static void grow(struct sql *sql)
{
    const char *wanted = getenv("RUNNEL_TEST_ROWS");
    int64_t rows = wanted ? strtoll(wanted, NULL, 10) : usual_rows[sql_engine(sql)];
    CLEANUP(free_ptr) char *grown = xasprintf("CREATE TABLE grown AS SELECT %lld AS rows", (long long)rows);
    bool postgres = sql_engine(sql) == SQL_POSTGRES;
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    grow_by(sql, (const char *const[]){grown}, 1);
    grow_hashes(sql);
    grow_by(sql, growth, ARRAY_LEN(growth));
    grow_by(sql, log_growth, postgres ? ARRAY_LEN(log_growth) : 0);
    grow_by(sql, (const char *const[]){"DROP TABLE grown"}, 1);
    assert_int_equal(sql_commit(sql), 0);
    // As the server does by itself: its planner then knows that an index alone tells what is there.
    grow_by(sql, (const char *const[]){postgres ? "VACUUM ANALYZE" : "ANALYZE"}, 1);
    if (postgres)
        claim_rows(sql, MAX(CLAIMED / rows, 1));
}

// A driver that asks for the plan of what is prepared ad hoc, and keeps it.
struct explaining {
    struct sql_vtable vtable;
    const struct sql_vtable *real;
};

static struct buf plan;   // of the statement that was stepped last
static struct buf faults; // of all statements

static struct sql_statement *explained(struct sql *sql, const char *text, int parameters, bool kept)
{
    const struct explaining *explaining = CONTAINER_OF(sql->vtable, struct explaining, vtable);
    CLEANUP(free_ptr)
    char *asked = xasprintf("EXPLAIN %s%s", sql_engine(sql) == SQL_SQLITE ? "QUERY PLAN " : "", text);
    return explaining->real->prepare(sql, asked, parameters, kept);
}

static int plan_step(struct sql_statement *statement)
{
    const struct explaining *explaining = CONTAINER_OF(statement->sql->vtable, struct explaining, vtable);
    int rc;
    while ((rc = explaining->real->step(statement)) == 1)
        buf_printf(&plan, "%.*s\n", STR_ARGS(sql_text(statement, sql_engine(statement->sql) == SQL_SQLITE ? 3 : 0)));
    return rc;
}

// Partial indexes that hold nothing else than is asked for, and tables that do not grow.
static bool holds_just_that(const char *line)
{
    static const char *const fine[] = {"executions_unsealed", "purging_accounts", "nodes_fenced", "schema_reader",
                                       "rosters", "tallies", "jobs_delayed", "CONSTANT ROW", " on purging", " on meta",
                                       " on chunk_days", " on writers", "SCAN m VIRTUAL TABLE",
                                       "SCAN counted", // of what is limited
                                       // With the account's executions, as far as a page goes: it has many of all.
                                       "Backward using labels_by_execution"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        if (strstr(line, fine[i]))
            return true;
    return false;
}

// A table or an index is read from end to end. PostgreSQL says in the line below what it seeks in an index.
static bool reads_all(const char *line, const char *below)
{
    bool whole_index = strstr(line, "Index Scan") || strstr(line, "Index Only Scan");
    return strstr(line, "Seq Scan") || strstr(line, "SCAN") ||
           (whole_index && !(below && strstr(below, "Index Cond:")));
}

static void check_plan(const char *of)
{
    CLEANUP(free_ptr) char *whole = buf_take(&plan), *lines = xstrdup(whole);
    char *rest = NULL, *line = strtok_r(lines, "\n", &rest);
    bool fault = false;
    while (line) {
        char *below = strtok_r(NULL, "\n", &rest);
        if (reads_all(line, below) && !holds_just_that(line))
            fault = true;
        line = below;
    }
    if (fault)
        buf_printf(&faults, "%s reads all:\n%s\n", of, whole);
}

static void check_says(const char *of, const char *word)
{
    CLEANUP(buf_release) struct buf whole = {0};
    buf_append_str(&whole, buf_str(&plan));
    if (!strstr(buf_cstr(&whole), word))
        buf_printf(&faults, "%s goes without %s:\n%s\n", of, word, buf_cstr(&whole));
}

// The latest run of a workflow, and how many there are: by indexes that have nothing else, and counted no further than
// is wanted.
static void check_runs(struct sql *sql, struct explaining *explaining)
{
    static const struct {
        struct store_list list;
        const char *index;
    } cases[] = {
        {{.account = 3, .workflow_ids = {{STR("w7")}, 1}, .count_max = 10}, "executions_of_workflow"},
        {{.account = 3, .owner = STR("o5"), .workflow_ids = {{STR("w7")}, 1}, .count_max = 10},
         "executions_of_workflow_own"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t rows[2];
        size_t count;
        uint64_t total;
        sql->vtable = &explaining->vtable;
        int err = catalogue_list_rows(sql, &cases[i].list, 1, rows, &count);
        check_says("the latest run", cases[i].index);
        check_plan("the latest run");
        err = err < 0 ? err : catalogue_list_total(sql, &cases[i].list, &total);
        sql->vtable = explaining->real;
        assert_int_equal(err, 0);
        check_says("how many runs there are", cases[i].index);
        if (sql_engine(sql) == SQL_POSTGRES)
            check_says("how many runs there are", "Limit");
        check_plan("how many runs there are");
    }
}

static void check_lists(struct sql *sql)
{
    struct explaining explaining = {.vtable = *sql->vtable, .real = sql->vtable};
    explaining.vtable.prepare = explained;
    explaining.vtable.step = plan_step;
    static const struct {
        const char *name;
        struct store_list list;
    } cases[] = {
        {"the account's", {.account = 3}},
        {"next page", {.account = 3, .before_row = 50000}},
        {"owner", {.account = 3, .owner = STR("o5")}},
        {"status", {.account = 3, .statuses = 1u << STATUS_RUNNING}},
        {"statuses", {.account = 3, .statuses = 1u << STATUS_RUNNING | 1u << STATUS_COMPLETED}},
        {"since", {.account = 3, .since_ms = 99000}},
        {"batch", {.account = 3, .batch_ids = {{STR("b7"), STR("b9")}, 2}}},
        {"workflow", {.account = 3, .workflow_ids = {{STR("w7")}, 1}}},
        {"prefix", {.account = 3, .id_prefix = STR("exec_99")}},
        {"label", {.account = 3, .labels = {{STR("n"), STR("v7")}}, .label_count = 1}},
        {"labels", {.account = 3, .labels = {{STR("n"), STR("v7")}, {STR("m"), STR("v8")}}, .label_count = 2}},
        {"named label", {.account = 3, .labels = {{STR("n"), {0}}}, .label_count = 1}},
        {"open", {.unsealed_only = true}},
        {"open, next page", {.unsealed_only = true, .before_row = 50000}},
    };
    int64_t rows[64];
    size_t count;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sql->vtable = &explaining.vtable;
        int err = catalogue_list_rows(sql, &cases[i].list, 50, rows, &count);
        sql->vtable = explaining.real;
        assert_int_equal(err, 0);
        assert_true(plan.len > 0);
        check_plan(cases[i].name);
    }
    check_runs(sql, &explaining);
}

// The texts of the statements by their numbers, for messages. SQLite has the catalogue's.
static const char *const statement_names[] = {
#define STATEMENT_NAME(name, sql) #name,
    CATALOGUE_STATEMENTS(STATEMENT_NAME) POSTGRES_STATEMENTS(STATEMENT_NAME)
#undef STATEMENT_NAME
};

static void explain(struct sql *sql, const char *text)
{
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, text);
    int rc;
    while ((rc = sql_row(statement)) == 1)
        buf_printf(&plan, "%.*s\n", STR_ARGS(sql_text(statement, sql_engine(sql) == SQL_SQLITE ? 3 : 0)));
    if (rc < 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        fail_msg("%s: %s", text, reason);
    }
}

static int parameters_of(const char *text)
{
    int highest = 0;
    for (const char *at = strchr(text, '?'); at; at = strchr(at + 1, '?'))
        highest = MAX(highest, (int)strtol(at + 1, NULL, 10));
    return highest;
}

enum value { VALUE_ONE, VALUE_ARRAY, VALUE_JSON_ARRAY, VALUE_COUNT };

static enum value value_of(const char *text, int parameter)
{
    char cast[32], among[32];
    snprintf(cast, sizeof(cast), "CAST(?%d AS ", parameter);
    snprintf(among, sizeof(among), "{among}?%d{", parameter);
    const char *type = strstr(text, cast);
    const char *end = type ? strchr(type, ')') : NULL;
    bool list = end && strncmp(end - 2, "[]", 2) == 0;
    return strstr(text, among) ? VALUE_JSON_ARRAY : list ? VALUE_ARRAY : VALUE_ONE;
}

// Of each parameter the text for its kind, between parentheses.
static void add_of_each(struct buf *out, const char *text, const char *const texts[VALUE_COUNT])
{
    int count = parameters_of(text);
    for (int i = 1; i <= count; i++)
        buf_printf(out, "%s%s%s", i == 1 ? "(" : ", ", texts[value_of(text, i)], i == count ? ")" : "");
}

// Each value is a 5, or an array of some, whatever its type.
static char *execution_of(const char *text)
{
    static const char *const values[VALUE_COUNT] = {"'5'", "'{5,6,7}'", "'[5,6,7]'"};
    CLEANUP(buf_release) struct buf asked = {0};
    buf_append_text(&asked, "EXPLAIN EXECUTE asked");
    add_of_each(&asked, text, values);
    return buf_take(&asked);
}

// As the server plans it for these values, and as it does for any, which it may do from the sixth time on.
static void explain_prepared(struct sql *sql, const char *name, const char *text, bool may_read_all)
{
    static const char *const modes[] = {"force_custom_plan", "force_generic_plan"};
    CLEANUP(free_ptr) char *made = xasprintf("PREPARE asked AS %s", text);
    CLEANUP(free_ptr) char *asked = execution_of(text);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        CLEANUP(free_ptr) char *mode = xasprintf("SET plan_cache_mode = %s", modes[i]);
        grow_by(sql, (const char *const[]){mode, made}, 2);
        explain(sql, asked);
        assert_int_equal(sql_exec(sql, "DEALLOCATE asked"), 0);
        if (!may_read_all)
            check_plan(name);
        buf_release(&plan);
    }
}

static void explain_once(struct sql *sql, const char *name, const char *text, bool may_read_all)
{
    CLEANUP(free_ptr) char *asked = xasprintf("EXPLAIN QUERY PLAN %s", text);
    explain(sql, asked);
    if (!may_read_all)
        check_plan(name);
    buf_release(&plan);
}

static char *of_part(const char *text, const char *part)
{
    struct buf named = {0};
    const char *from = text;
    for (const char *at; (at = strstr(from, "{part}")); from = at + strlen("{part}"))
        buf_printf(&named, "%.*s%s", (int)(at - from), from, part);
    buf_append_text(&named, from);
    return buf_take(&named);
}

// A part begins empty and has no statistics until many rows are in it; what is planned then is kept. What wants the
// first or last of some rows must not go through all of them, however few there seem to be.
static void explain_new_part(struct sql *sql, const char *name, const char *text)
{
    CLEANUP(free_ptr) char *named = of_part(text, "_77");
    CLEANUP(free_ptr) char *made = xasprintf("PREPARE asked AS %s", named);
    CLEANUP(free_ptr) char *asked = execution_of(named);
    grow_by(sql, (const char *const[]){"SET plan_cache_mode = force_generic_plan", made}, 2);
    explain(sql, asked);
    assert_int_equal(sql_exec(sql, "DEALLOCATE asked"), 0);
    CLEANUP(free_ptr) char *whole = buf_take(&plan);
    if (strstr(text, "LIMIT") && strstr(whole, "Aggregate"))
        buf_printf(&faults, "%s goes through all rows of a part that is new:\n%s\n", name, whole);
}

// Of a table in parts, the part that is wanted alone is looked into: by its name, and if it is not named.
static void explain_parts(struct sql *sql, const char *name, const char *text)
{
    CLEANUP(free_ptr) char *named = of_part(text, "_0");
    explain_prepared(sql, name, named, false);
    CLEANUP(free_ptr) char *made = xasprintf("PREPARE asked AS %s", text);
    CLEANUP(free_ptr) char *asked = execution_of(text);
    grow_by(sql, (const char *const[]){"SET plan_cache_mode = force_custom_plan", made}, 2);
    explain(sql, asked);
    assert_int_equal(sql_exec(sql, "DEALLOCATE asked"), 0);
    CLEANUP(free_ptr) char *whole = buf_take(&plan);
    if (strstr(whole, "chunks_77") || strstr(whole, "chunks_78"))
        buf_printf(&faults, "%s looks into other parts:\n%s\n", name, whole);
    explain_new_part(sql, name, text);
}

static void check_statements(struct sql *sql)
{
    // Once for each restore; where an operator goes, which is rare, among keys, which are few; and of nodes there are
    // few, as of those who write.
    static const bool may[POSTGRES_STATEMENT_COUNT] = {
        [CATALOGUE_EXECUTIONS_RESTORED] = true, [CATALOGUE_OPERATOR_LASTS] = true,
        [CATALOGUE_OPERATOR_OUTLASTS] = true,   [CATALOGUE_NODES_FENCE_OTHERS] = true,
        [CATALOGUE_NODES_FENCE_SILENT] = true,  [CATALOGUE_NODES_FORGET] = true,
        [CATALOGUE_COLD_OLDER] = true,          [CATALOGUE_COLD_BACKLOG] = true, // the latter: of what it has limited
        [POSTGRES_JOURNAL_LEFT] = true,
    };
    bool postgres = sql_engine(sql) == SQL_POSTGRES;
    struct sql_texts texts = postgres ? postgres_texts : catalogue_texts;
    for (size_t i = 0; i < texts.count; i++) {
        (postgres ? explain_prepared : explain_once)(sql, statement_names[i], texts.items[i], may[i]);
        if (postgres && strstr(texts.items[i], "{part}"))
            explain_parts(sql, statement_names[i], texts.items[i]);
    }
}

// --- Lists that rows are compared with

#define LONG_LIST 10000

// A list is a text to the driver. Where a plan goes through the table, as it does for a long list and a table that
// seems small, a cast of it there would be carried out for each row.
static void check_long_list(struct sql *sql, const char *name, const char *text)
{
    static const char *const types[VALUE_COUNT] = {"unknown", "text", "text"};
    static const char *const modes[] = {"force_custom_plan", "force_generic_plan"};
    CLEANUP(buf_release) struct buf numbers = {0}, made = {0}, asked = {0};
    for (int i = 1; i <= LONG_LIST; i++)
        buf_printf(&numbers, "%s%d", i == 1 ? "" : ",", i);
    CLEANUP(free_ptr) char *array = xasprintf("'{%s}'", buf_cstr(&numbers));
    CLEANUP(free_ptr) char *json_array = xasprintf("'[%s]'", buf_cstr(&numbers));
    buf_append_text(&made, "PREPARE asked");
    add_of_each(&made, text, types);
    buf_printf(&made, " AS %s", text);
    buf_append_text(&asked, "EXPLAIN EXECUTE asked");
    add_of_each(&asked, text, (const char *const[VALUE_COUNT]){"'5'", array, json_array});
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        CLEANUP(free_ptr) char *mode = xasprintf("SET plan_cache_mode = %s", modes[i]);
        grow_by(sql, (const char *const[]){mode, buf_cstr(&made)}, 2);
        explain(sql, buf_cstr(&asked));
        assert_int_equal(sql_exec(sql, "DEALLOCATE asked"), 0);
        CLEANUP(free_ptr) char *whole = buf_take(&plan);
        const char *any = strstr(whole, "ANY ("), *end = any ? strchr(any, '\n') : NULL;
        bool casts = any && memmem(any, (size_t)(end - any), "::", 2);
        if (!any || casts || !strstr(whole, "Seq Scan") || !strstr(whole, "InitPlan"))
            buf_printf(&faults, "%s reads its list for each row, or not as this test expects:\n%.2000s\n", name, whole);
    }
}

static void check_long_lists(struct sql *sql)
{
    static const char *const through_the_table[] = {"SET enable_indexscan = off", "SET enable_bitmapscan = off",
                                                    "SET enable_indexonlyscan = off"};
    size_t checked = 0;
    grow_by(sql, through_the_table, ARRAY_LEN(through_the_table));
    for (size_t i = 0; i < postgres_texts.count; i++) {
        const char *text = postgres_texts.items[i];
        if (!strstr(text, "ANY(") && !strstr(text, "{among}"))
            continue;
        check_long_list(sql, statement_names[i], text);
        checked++;
    }
    assert_true(checked > 0);
    grow_by(sql, (const char *const[]){"RESET ALL"}, 1);
}

// As who reads by SQL asks, through the policies.
static void check_views(struct sql *sql)
{
    static const char *const asked[] = {
        "EXPLAIN SELECT * FROM runnel_sql.workflow_execution_logs WHERE execution_id = 'exec_5' AND level >= 'INFO' "
        "ORDER BY created_at, sequence_number LIMIT 100",
        "EXPLAIN SELECT * FROM runnel_sql.execution_logs WHERE execution_id = 'exec_5' AND sequence_number > 1 "
        "ORDER BY sequence_number",
        "EXPLAIN SELECT * FROM runnel_sql.workflow_traces WHERE run_id = 'exec_5' ORDER BY sequence",
        "EXPLAIN SELECT * FROM runnel_sql.executions WHERE execution_id = 'exec_5'",
    };
    static const char *const reader[] = {"CREATE ROLE plan_reader", "GRANT USAGE ON SCHEMA runnel_sql TO plan_reader",
                                         "GRANT SELECT ON ALL TABLES IN SCHEMA runnel_sql TO plan_reader",
                                         "GRANT SELECT ON events TO plan_reader", "SET ROLE plan_reader"};
    grow_by(sql, reader, ARRAY_LEN(reader));
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        explain(sql, asked[i]);
        check_plan(asked[i]);
        buf_release(&plan);
    }
    assert_int_equal(sql_exec(sql, "RESET ROLE"), 0);
}

static void nothing_that_grows_is_read_from_end_to_end(void **state)
{
    grow(*state);
    check_lists(*state);
    check_statements(*state);
    if (sql_engine(*state) == SQL_POSTGRES) {
        check_long_lists(*state);
        check_views(*state);
    }
    CLEANUP(free_ptr) char *found = buf_take(&faults);
    if (found && *found) {
        fputs(found, stderr); // a message has not the room
        fail();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_that_grows_is_read_from_end_to_end),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
