#include "model/artifact.h"

// C0, DEL and C1, which is two bytes in UTF-8.
static bool has_control(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = (uint8_t)name.data[i];
        bool is_c1 = byte == 0xc2 && i + 1 < name.len && (uint8_t)name.data[i + 1] < 0xa0;
        if (byte < ' ' || byte == 0x7f || is_c1)
            return true;
    }
    return false;
}

static bool leads_elsewhere(struct str name)
{
    if (name.data[name.len - 1] == '/')
        return true;
    while (name.len > 0) {
        struct str part = str_split(&name, '/');
        if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return true;
    }
    return false;
}

const char *artifact_name_problem(struct str name)
{
    if (name.len == 0)
        return "must not be empty";
    if (name.len > ARTIFACT_NAME_MAX)
        return "must be at most 512 bytes long";
    if (!utf8_valid(name.data, name.len))
        return "must be UTF-8";
    if (has_control(name))
        return "must not have control characters";
    return leads_elsewhere(name) ? "must be a relative path without . and .." : NULL;
}
