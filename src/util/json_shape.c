#include "util/json_shape.h"

bool json_shape_within(struct str s, unsigned depth_max, size_t values_max)
{
    unsigned depth = 0;
    size_t values = 1;
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '[') && ++depth > depth_max)
            return false;
        else if (!in_string && (c == '}' || c == ']') && depth)
            depth--;
        values += !in_string && (c == ',' || c == '{' || c == '[');
        if (values > values_max)
            return false;
    }
    return true;
}
