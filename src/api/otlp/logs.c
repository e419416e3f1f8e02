#include "api/otlp/logs.h"

int otlp_logs_read(enum otlp_encoding encoding, struct str body, const struct arrival_reader *reader,
                   const char **ret_reason)
{
    CLEANUP(otlp_log_release) struct otlp_log log = {0};
    *ret_reason = NULL;
    if (encoding == OTLP_JSON)
        return otlp_logs_read_json(body, &log, reader, ret_reason);
    int err = otlp_logs_read_protobuf(body, &log, reader);
    if (err == ERR_MALFORMED)
        *ret_reason = "the body is no ExportLogsServiceRequest in Protocol Buffers";
    return err;
}
