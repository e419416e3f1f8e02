#include "util/settings_file.h"

#include "util/error.h"
#include "util/file.h"
#include "util/settings_scan.h"

#include <confuse.h>
#include <errno.h>

// libconfuse passes nothing of the caller's to its error function, so the place for the text must be kept beside it.
// NULL: no place.
static _Thread_local struct buf *error_text_of_this_call;

PRINTF_LIKE(2, 0)
static __attribute__((format(printf, 2, 0))) void take_error(cfg_t *cfg, const char *fmt, va_list args)
{
    struct buf *out = error_text_of_this_call;
    CLEANUP(free_ptr) char *text = NULL;
    (void)cfg;
    // The first error is the cause; further ones are consequences.
    if (out && out->len == 0 && vasprintf(&text, fmt, args) >= 0)
        buf_append_text(out, text);
}

static size_t count_names(const struct settings_name *names)
{
    size_t count = 0;
    while (names && names[count].name)
        count++;
    return count;
}

static size_t add_options(cfg_opt_t *options, const struct settings_name *names)
{
    size_t count = count_names(names);
    for (size_t i = 0; i < count; i++) {
        cfg_opt_t text = CFG_STR(names[i].name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST(names[i].name, NULL, CFGF_NODEFAULT);
        options[i] = names[i].is_list ? list : text;
    }
    return count;
}

struct parsed {
    cfg_t *cfg; // NULL: it cannot be parsed
    struct settings_scan scan;
};

// `section`: -1 for the top level, else the number of the section.
static int tell(const struct parsed *parsed, int section, const struct settings_form *form, settings_each_fn *each,
                void *arg, struct buf *ret_error)
{
    cfg_t *cfg = section < 0 ? parsed->cfg : cfg_getnsec(parsed->cfg, form->section, (unsigned)section);
    const struct settings_name *names = section < 0 ? form->top : form->in_section;
    for (; names && names->name; names++) {
        unsigned count = cfg_size(cfg, names->name);
        if (count == 0)
            continue;
        CLEANUP(free_ptr) const char **values = xcalloc(count, sizeof(*values));
        for (unsigned i = 0; i < count; i++)
            values[i] = cfg_getnstr(cfg, names->name, i);
        struct settings_value value = {.title = section < 0 ? NULL : cfg_title(cfg),
                                       .name = names->name,
                                       .values = values,
                                       .count = count,
                                       .unset = settings_scan_unset(&parsed->scan, section, names->name)};
        int err = values[0] ? each(arg, &value, ret_error) : 0;
        if (err)
            return err;
    }
    return 0;
}

static int tell_all(const struct parsed *parsed, const struct settings_form *form, settings_each_fn *each, void *arg,
                    struct buf *ret_error)
{
    int sections = form->section ? (int)cfg_size(parsed->cfg, form->section) : 0;
    int err = tell(parsed, -1, form, each, arg, ret_error);
    for (int i = 0; i < sections && err == 0; i++)
        err = tell(parsed, i, form, each, arg, ret_error);
    return err;
}

static cfg_t *make_parser(const struct settings_form *form)
{
    size_t top = count_names(form->top), inner = count_names(form->in_section);
    CLEANUP(free_ptr) cfg_opt_t *section_options = xcalloc(inner + 1, sizeof(*section_options));
    CLEANUP(free_ptr) cfg_opt_t *options = xcalloc(top + 2, sizeof(*options));
    cfg_opt_t end = CFG_END();
    add_options(section_options, form->in_section);
    section_options[inner] = end;
    add_options(options, form->top);
    if (form->section) {
        cfg_opt_t section = CFG_SEC(form->section, section_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
        options[top++] = section;
    }
    options[top] = end;
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg)
        cfg_set_error_function(cfg, take_error);
    return cfg;
}

static void parsed_release(struct parsed *parsed)
{
    if (parsed->cfg)
        cfg_free(parsed->cfg);
    parsed->cfg = NULL;
    settings_scan_release(&parsed->scan);
}

// Returns 0, or an error if the text cannot be parsed. `ret` must be released in any case.
static int parse(const struct settings_form *form, struct str text, struct parsed *ret)
{
    ret->cfg = NULL;
    settings_scan(text, &ret->scan);
    if (ret->scan.unclosed_line)
        return ERR_INVALID;
    cfg_t *cfg = make_parser(form);
    FILE *file = cfg && text.len > 0 ? fmemopen((char *)(uintptr_t)text.data, text.len, "r") : NULL; // it is only read
    int err = !cfg || (text.len > 0 && !file) ? ERR_NOMEM : 0;
    if (file && cfg_parse_fp(cfg, file) != CFG_SUCCESS)
        err = ERR_INVALID;
    if (file)
        fclose(file);
    if (err && cfg)
        cfg_free(cfg);
    ret->cfg = err ? NULL : cfg;
    return err;
}

// --- Which line is wrong. The parser's own line number is wrong: it counts comments twice, and notices an open quote
// or list too late. So we parse beginnings of the file, each one line longer than the last.

#define LINES_MAX 2000 // a wrong line is looked for only in a file with at most so many lines

static struct str first_lines(struct str text, unsigned count)
{
    struct str rest = text;
    while (count-- > 0 && rest.len > 0)
        str_split(&rest, '\n');
    return str_n(text.data, text.len - rest.len);
}

static unsigned count_lines(struct str text)
{
    unsigned count = 0;
    for (struct str rest = text; rest.len > 0 && count < LINES_MAX; count++)
        str_split(&rest, '\n');
    return count;
}

static bool says_something(struct str line)
{
    line = str_trim(line);
    return line.len > 0 && line.data[0] != '#' && !str_starts(line, STR("//"));
}

// Finds the longest beginning that can be parsed. The statement that cannot be parsed follows it.
static unsigned unparsed_line(const struct settings_form *form, struct str text)
{
    unsigned good = 0, lines = count_lines(text);
    for (unsigned count = 1; count < lines; count++) {
        CLEANUP(parsed_release) struct parsed parsed;
        if (parse(form, first_lines(text, count), &parsed) == 0)
            good = count;
    }
    struct str beginning = first_lines(text, good), rest = str_n(text.data + beginning.len, text.len - beginning.len);
    while (rest.len > 0 && !says_something(str_split(&rest, '\n')))
        good++;
    return good + 1;
}

// Finds the shortest beginning that is refused. The refused value is the last one in it.
static unsigned refused_line(const struct settings_form *form, struct str text, settings_each_fn *each, void *arg)
{
    unsigned line = 0, lines = count_lines(text), refused = 0;
    while (++line < lines && !refused) {
        CLEANUP(buf_release) struct buf error = {0};
        CLEANUP(parsed_release) struct parsed parsed;
        if (parse(form, first_lines(text, line), &parsed) == 0 && tell_all(&parsed, form, each, arg, &error))
            refused = line;
    }
    return refused ? refused : lines;
}

// What is wrong with the text, to *error, and on which line. Returns 0 or the error.
static int read_text(const struct settings_form *form, struct str text, settings_each_fn *each, void *arg,
                     unsigned *ret_line, struct buf *error)
{
    CLEANUP(parsed_release) struct parsed parsed;
    error_text_of_this_call = error;
    int err = parse(form, text, &parsed);
    error_text_of_this_call = NULL;
    const struct settings_scan *scan = &parsed.scan;
    if (scan->unclosed_line) {
        *ret_line = scan->unclosed_line;
        buf_append_text(error, "the quote or comment that begins here has no end");
        return err;
    }
    if (err) {
        *ret_line = unparsed_line(form, text);
        return err;
    }
    if (scan->repeated_line) {
        *ret_line = scan->repeated_line;
        buf_printf(error, "%.*s is set a second time; it has a value on line %u", STR_ARGS(scan->repeated),
                   scan->repeated_from);
        return ERR_INVALID;
    }
    err = tell_all(&parsed, form, each, arg, error);
    if (err)
        *ret_line = refused_line(form, text, each, arg);
    return err;
}

int settings_file_read(const char *path, const struct settings_form *form, settings_each_fn *each, void *arg,
                       struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf file = {0};
    CLEANUP(buf_release) struct buf error = {0};
    unsigned line = 0;
    // The file is read here, because libconfuse's scanner ends the process when reading fails.
    int err = file_read_all(path, SETTINGS_FILE_MAX, &file);
    if (err) {
        buf_printf(ret_error, "%s: %s", path, strerror(-err));
        return err;
    }
    if (file.len > 0 && memchr(file.data, '\0', file.len)) {
        buf_printf(ret_error, "%s: it is not a text file", path);
        return ERR_INVALID;
    }
    err = read_text(form, buf_str(&file), each, arg, &line, &error);
    if (err == ERR_INVALID)
        buf_printf(ret_error, "%s:%u: %s", path, line, error.len > 0 ? buf_cstr(&error) : "it cannot be understood");
    return err;
}

int settings_refuse_unset(struct str variable, struct buf *ret_error)
{
    buf_printf(ret_error,
               "the environment variable %.*s is not set; set it, or write ${%.*s:-TEXT} for the text to take then",
               STR_ARGS(variable), STR_ARGS(variable));
    return ERR_INVALID;
}
