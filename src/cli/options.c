#include "cli/options.h"

#include "model/role.h"

static char dashed(char c)
{
    return c == '_' ? '-' : c;
}

bool option_name_eq(const char *a, const char *b)
{
    while (*a && dashed(*a) == dashed(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

void option_append_name(struct buf *out, const char *long_name)
{
    for (; *long_name; long_name++)
        buf_append_byte(out, dashed(*long_name));
}

const char *option_values(const struct cli_option *option)
{
    static const char *const arguments[][2] = {
        {"FORMAT", "text json"},
        {"FORM", "text raw json"},
        {"WHEN", "auto always never"},
        {"ROLE", ROLES_LISTED},
        {"STATUS", "queued running waiting paused completed failed cancelled timed_out skipped lost"},
        {"STREAM", "stdout stderr event"},
        {"LEVEL", "DEBUG INFO WARNING ERROR CRITICAL"},
        // The server's settings are all TEXT, so these are found by their names.
        {"log_level", "debug info warning error"},
        {"log_form", "auto text json"},
    };
    for (size_t i = 0; option->argument && i < ARRAY_LEN(arguments); i++)
        if (strcmp(option->argument, arguments[i][0]) == 0 || strcmp(option->long_name, arguments[i][0]) == 0)
            return arguments[i][1];
    return NULL;
}

// --- The nearest name

#define NEAREST_NAME_MAX 40

// Number of edits (insert, delete, replace, swap of neighbours) from one name to the other: optimal string alignment.
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NEAREST_NAME_MAX || b_len > NEAREST_NAME_MAX)
        return SIZE_MAX;
    size_t rows[3][NEAREST_NAME_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = dashed(a[i - 1]) == dashed(b[j - 1]);
            row[j] = MIN(MIN(last[j] + 1, row[j - 1] + 1), last[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

void nearest_init(struct nearest *nearest, const char *wanted)
{
    // A third of the letters may be wrong; in short names one.
    *nearest = (struct nearest){.wanted = wanted, .distance = MAX(strlen(wanted) / 3, (size_t)1) + 1};
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t edits = distance(nearest->wanted, name);
    // A correct beginning is meant, too: --tim for --timestamps.
    if (edits >= nearest->distance && strlen(nearest->wanted) >= 3 &&
        strncmp(nearest->wanted, name, strlen(nearest->wanted)) == 0)
        edits = nearest->distance - 1;
    if (edits < nearest->distance) {
        nearest->distance = edits;
        nearest->best = name;
    }
}

// --- Parsing

static const struct cli_option *find_long(const struct cli_option *const *tables, const char *name)
{
    for (; *tables; tables++)
        for (const struct cli_option *option = *tables; option->long_name; option++)
            if (option_name_eq(option->long_name, name))
                return option;
    return NULL;
}

static const struct cli_option *find_short(const struct cli_option *const *tables, char name)
{
    for (; *tables; tables++)
        for (const struct cli_option *option = *tables; option->long_name; option++)
            if (option->short_name == name)
                return option;
    return NULL;
}

static int unknown_long(const struct cli_option *const *tables, const char *name, struct buf *ret_error)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (; *tables; tables++)
        for (const struct cli_option *option = *tables; option->long_name; option++)
            nearest_offer(&nearest, option->long_name);
    buf_printf(ret_error, "unknown option --%s", name);
    if (nearest.best) {
        buf_append_text(ret_error, "; did you mean --");
        option_append_name(ret_error, nearest.best);
        buf_append_byte(ret_error, '?');
    }
    return ERR_INVALID;
}

struct parsing {
    const struct cli_option *const *tables;
    size_t argc, at; // at: the index of the present word
    char **argv;
    struct arena *arena;
    struct parsed *ret;
    struct buf *error;
};

static void add_option(struct parsing *parsing, const struct cli_option *option, const char *value)
{
    parsing->ret->options[parsing->ret->option_count++] = (struct parsed_option){.option = option, .value = value};
}

static int lacks_value(struct parsing *parsing, const struct cli_option *option)
{
    buf_append_text(parsing->error, "option --");
    option_append_name(parsing->error, option->long_name);
    buf_printf(parsing->error, " needs a value: %s", option->argument);
    return ERR_INVALID;
}

static const char *next_value(struct parsing *parsing)
{
    return parsing->at + 1 < parsing->argc ? parsing->argv[++parsing->at] : NULL;
}

static int parse_long(struct parsing *parsing, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *name = equals ? arena_dup(parsing->arena, str_n(text, (size_t)(equals - text))) : text;
    const struct cli_option *option = find_long(parsing->tables, name);
    if (!option)
        return unknown_long(parsing->tables, name, parsing->error);
    if (option->kind == CLI_FLAG) {
        if (equals) {
            buf_printf(parsing->error, "option --%s takes no value", name);
            return ERR_INVALID;
        }
        add_option(parsing, option, NULL);
        return 0;
    }
    const char *value = equals ? equals + 1 : next_value(parsing);
    if (!value)
        return lacks_value(parsing, option);
    add_option(parsing, option, value);
    return 0;
}

static int parse_short(struct parsing *parsing, const char *text)
{
    for (; *text; text++) {
        const struct cli_option *option = find_short(parsing->tables, *text);
        if (!option) {
            buf_printf(parsing->error, "unknown option -%c", *text);
            return ERR_INVALID;
        }
        if (option->kind == CLI_FLAG) {
            add_option(parsing, option, NULL);
            continue;
        }
        const char *value = text[1] ? text + 1 : next_value(parsing);
        if (!value)
            return lacks_value(parsing, option);
        add_option(parsing, option, value);
        return 0;
    }
    return 0;
}

int options_parse(const struct cli_option *const *tables, bool stop_at_operand, size_t argc, char **argv,
                  struct arena *arena, struct parsed *ret, struct buf *ret_error)
{
    // Bundled short flags may be more than there are words.
    size_t most = 1;
    for (size_t i = 0; i < argc; i++)
        most += MAX(strlen(argv[i]), (size_t)1);
    *ret = (struct parsed){
        .options = arena_alloc(arena, most * sizeof(*ret->options)),
        .operands = arena_alloc(arena, (argc + 1) * sizeof(*ret->operands)),
    };
    struct parsing parsing = {
        .tables = tables, .argc = argc, .argv = argv, .arena = arena, .ret = ret, .error = ret_error};
    bool only_operands = false;
    for (; parsing.at < argc; parsing.at++) {
        char *word = argv[parsing.at];
        int err = 0;
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            ret->operands[ret->operand_count++] = word;
            ret->operands_before_end += !ret->operands_ended;
            only_operands |= stop_at_operand;
        } else if (strcmp(word, "--") == 0) {
            only_operands = ret->operands_ended = true;
            ret->operands_before_end = ret->operand_count;
        } else if (word[1] == '-') {
            err = parse_long(&parsing, word + 2);
        } else {
            err = parse_short(&parsing, word + 1);
        }
        if (err)
            return err;
    }
    return 0;
}
