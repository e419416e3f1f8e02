// Talks with a service manager without its library: sd_notify(3) and socket activation (sd_listen_fds(3)).
#pragma once

#include "util/attrs.h"

// Sends for example "READY=1" to $NOTIFY_SOCKET. Does nothing without that variable.
void systemd_notify(const char *state);
// Returns how many listening sockets were handed over, from the descriptor SYSTEMD_FIRST_FD on; 0 if they are not for
// this process. Sets CLOEXEC on them.
#define SYSTEMD_FIRST_FD 3
unsigned systemd_listen_fds(void);
