// What another server of the store has decided (struct store_news), brought to those here whom it is about.
#pragma once

#include "auth/auth.h"
#include "ingest/hub.h"
#include "jobs/dispatch.h"
#include "store/store.h"

// On the store's thread. A kind of a newer server's is let go.
void heard_news(const struct store_news *news, struct hub *hub, struct auth *auth, struct dispatch *dispatch);
