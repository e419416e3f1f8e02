// The readers' threads: each takes one query at a time.
#pragma once

void *reader_main(void *arg); // struct sqlite_store
