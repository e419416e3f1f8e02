// A build without the console.
#include "api/console/assets.h"

const struct console_asset console_assets[] = {{0}};
