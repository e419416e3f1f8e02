// Artifacts into a folder: beneath it, through no link, and over nothing that is there unless told.
#pragma once

#include "cli/cli_private.h"

struct download {
    struct cli *cli;
    struct client *client;
    const char *execution_id;
    const char *folder; // as the user has named it, for messages
    int folder_fd;
    bool force; // replaces what is there
};

// Makes the folder if there is none, and opens it. Returns 0, or the exit code after having said what is wrong.
int download_open(struct cli *cli, const char *folder, struct download *ret);
void download_close(struct download *download);

enum download_end { DOWNLOAD_DONE, DOWNLOAD_THERE }; // THERE: the same content lies there already
// Fetches one: an object of the server's list. What an interrupted download has left is gone on with. Returns 0, or the
// exit code after having said what is wrong.
int download_artifact(const struct download *download, const json_t *artifact, enum download_end *ret);
