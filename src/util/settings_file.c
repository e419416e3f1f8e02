#include "util/settings_file.h"

#include "util/error.h"
#include "util/file.h"

#include <confuse.h>
#include <errno.h>

// libconfuse hands nothing of the caller's to its error function, so where the text goes must be kept beside it.
static _Thread_local struct buf *error_text_of_this_call;

PRINTF_LIKE(2, 0)
static __attribute__((format(printf, 2, 0))) void take_error(cfg_t *cfg, const char *fmt, va_list args)
{
    struct buf *out = error_text_of_this_call;
    CLEANUP(free_ptr) char *text = NULL;
    // The first one is the cause; what follows it are consequences.
    if (out->len > 0 || vasprintf(&text, fmt, args) < 0)
        return;
    if (cfg && cfg->filename && cfg->line > 0)
        buf_printf(out, "%s:%d: ", cfg->filename, cfg->line);
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

static int tell(cfg_t *cfg, const char *title, const struct settings_name *names, settings_each_fn *each, void *arg)
{
    for (; names && names->name; names++) {
        unsigned count = cfg_size(cfg, names->name);
        if (count == 0)
            continue;
        CLEANUP(free_ptr) const char **values = xcalloc(count, sizeof(*values));
        for (unsigned i = 0; i < count; i++)
            values[i] = cfg_getnstr(cfg, names->name, i);
        int err = values[0] ? each(arg, title, names->name, values, count) : 0;
        if (err)
            return err;
    }
    return 0;
}

static int tell_all(cfg_t *cfg, const struct settings_form *form, settings_each_fn *each, void *arg)
{
    int err = tell(cfg, NULL, form->top, each, arg);
    unsigned sections = form->section ? cfg_size(cfg, form->section) : 0;
    for (unsigned i = 0; i < sections && err == 0; i++) {
        cfg_t *section = cfg_getnsec(cfg, form->section, i);
        err = tell(section, cfg_title(section), form->in_section, each, arg);
    }
    return err;
}

static int parse(cfg_t *cfg, const char *path, struct buf *text)
{
    if (text->len == 0)
        return 0;
    FILE *file = fmemopen(text->data, text->len, "r");
    if (!file)
        return -errno;
    cfg->filename = xstrdup(path);
    int result = cfg_parse_fp(cfg, file);
    fclose(file);
    return result == CFG_SUCCESS ? 0 : ERR_INVALID;
}

int settings_file_read(const char *path, const struct settings_form *form, settings_each_fn *each, void *arg,
                       struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(buf_release) struct buf error = {0};
    // Read here, because libconfuse's scanner ends the process when reading fails.
    int err = file_read_all(path, SETTINGS_FILE_MAX, &text);
    if (err) {
        buf_printf(ret_error, "%s: %s", path, strerror(-err));
        return err;
    }
    if (text.len > 0 && memchr(text.data, '\0', text.len)) {
        buf_printf(ret_error, "%s: it is not a text file", path);
        return ERR_INVALID;
    }

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
    if (!cfg)
        return ERR_NOMEM;
    error_text_of_this_call = &error;
    cfg_set_error_function(cfg, take_error);
    err = parse(cfg, path, &text);
    if (err == 0)
        err = tell_all(cfg, form, each, arg);
    else if (err == ERR_INVALID && error.len == 0)
        buf_printf(&error, "%s: it cannot be understood", path);
    if (err == ERR_INVALID && error.len > 0)
        buf_append_str(ret_error, buf_str(&error));
    error_text_of_this_call = NULL;
    cfg_free(cfg);
    return err;
}
