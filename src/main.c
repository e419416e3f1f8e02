#include "cli/cli.h"
#include "util/file.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    // The parent may have closed the standard descriptors. Then the first files opened here would get their numbers:
    // what is written to stdout would go into a spool, a store or a socket, and a child would inherit it as its own.
    int err = standard_fds_fill();
    if (err < 0) {
        dprintf(STDERR_FILENO, "runnel: a standard descriptor is closed, and /dev/null cannot stand in for it: %s\n",
                strerror(-err));
        return 1;
    }
    return cli_main(cli_commands, argc, argv);
}
