// Secrets: what a name may be, what a value may be, and in which forms a value is looked for in what a job writes.
// Pure.
#pragma once

#include "model/mask.h"

#define SECRET_NAME_MAX  128
#define SECRET_VALUE_MAX ((size_t)64 * 1024)
#define SECRETS_USED_MAX 64 // by one job
// Bytes of all values of one job together: they come in one frame, and a program's environment has a limit, too.
#define SECRETS_USED_BYTES_MAX ((size_t)512 * 1024)

#define SECRET_NAME_MUST "must match [A-Za-z_][A-Za-z0-9_]{0,127}"
#define SECRET_USE_MUST  "must be NAME or NAME=VARIABLE, each of letters, digits and _; or @run or @run=VARIABLE"
// Not a stored one: the token of the run itself, which each attempt gets anew. Its variable is RUNNEL_TOKEN.
#define SECRET_RUN_TOKEN "@run"

bool secret_name_valid(struct str name); // also what the variable is called
bool secret_is_run_token(struct str name);
// "NAME", or "NAME=VARIABLE" where the variable has another name; NAME may be SECRET_RUN_TOKEN. False if it is neither.
bool secret_use_parse(struct str use, struct str *ret_name, struct str *ret_variable);
// Why a value cannot be kept from logs or be a variable, for people; NULL: it is good.
const char *secret_value_problem(struct str value);

// Adds all forms of the value: itself; each of its lines; if it is JSON, each string in it; each of these as JSON
// writes it; the value and the strings in base64, of both alphabets, with padding and without, alone or within a longer
// text, also in lines of 64 and 76. What is shorter than MASK_TEXT_MIN is left out, and white space around it.
void secret_add_forms(struct mask *mask, struct str value);
