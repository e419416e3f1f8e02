// Credentials: API keys, tickets, and the accounts that they belong to.
#pragma once

#include "api/call.h"

#define NO_SUCH_ACCOUNT "no such account"
#define ACCOUNT_GONE    "that account was deleted; its name is never used again"

// Finds whose is meant: another account's if an operator names it, "" for the caller's own. False after it has
// answered.
bool call_take_account(struct call *call, struct str given, char out[ACCOUNT_NAME_MAX + 1]);
const char *account_error_text(int err); // of an account that cannot be had; NULL: the error's own text

// Handlers.
void keys_create(struct call *call);
void keys_list(struct call *call);
void keys_rename(struct call *call);
void keys_revoke(struct call *call);
void tickets_create(struct call *call);
void accounts_create(struct call *call);
void accounts_list(struct call *call);
void accounts_get(struct call *call);
void accounts_patch(struct call *call);
void accounts_delete(struct call *call);
void accounts_retention(struct call *call);
