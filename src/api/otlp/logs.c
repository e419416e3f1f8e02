#include "api/otlp/logs.h"

int otlp_logs_read(enum otlp_encoding encoding, struct str body, const struct arrival_reader *reader,
                   const char **ret_reason)
{
    CLEANUP(otlp_log_release) struct otlp_log log = {0};
    int err =
        encoding == OTLP_JSON ? otlp_logs_read_json(body, &log, reader) : otlp_logs_read_protobuf(body, &log, reader);
    *ret_reason = err == ERR_TOO_LARGE    ? ARRIVALS_TOO_LARGE
                  : err != ERR_MALFORMED  ? NULL
                  : encoding == OTLP_JSON ? "the body is no ExportLogsServiceRequest in JSON"
                                          : "the body is no ExportLogsServiceRequest in Protocol Buffers";
    return err;
}
