#include "server/heard.h"

void heard_news(const struct store_news *news, struct hub *hub, struct auth *auth, struct dispatch *dispatch)
{
    char words[64];
    str_put(words, sizeof(words), news->words);

    switch (news->kind) {
    case NEWS_CANCEL:
        hub_cancel(hub, news->subject, words);
        break;
    case NEWS_KEY_REVOKED:
        auth_revoked(auth, news->subject);
        break;
    case NEWS_ACCOUNT:
        if (news->value >= ACCOUNT_ACTIVE && news->value <= ACCOUNT_DELETED) // else a newer server's
            auth_account_changed(auth, news->account, (enum account_state)news->value, (uint64_t)news->number);
        break;
    case NEWS_WORKER:
        dispatch_drain(dispatch, news->account, news->words, news->value != 0);
        break;
    case NEWS_MISSED:
        auth_cut_off(auth);
        break;
    case NEWS_KINDS:
        break;
    }
}
