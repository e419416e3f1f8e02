// What a service manager says and wants to hear: sd_notify(3) and socket activation (sd_listen_fds(3)), without its
// library.
#pragma once

#include "util/attrs.h"

// Sends e.g. "READY=1" to $NOTIFY_SOCKET; does nothing without it.
void systemd_notify(const char *state);
// The number of listening sockets handed over, from descriptor SYSTEMD_FIRST_FD on; 0 when they are not for this
// process. Sets CLOEXEC on them.
#define SYSTEMD_FIRST_FD 3
unsigned systemd_listen_fds(void);
