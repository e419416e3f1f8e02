// The only thread that writes.
#pragma once

void *writer_main(void *arg); // struct sqlite_store
