#include "model/doubt.h"

// While its number is under way, its server process may not have noticed yet that nobody is there any more.
enum doubt_verdict doubt_judge(const struct doubt *doubt)
{
    if (doubt->state == TRANSACTION_ABORTED)
        return DOUBT_FAILED;
    if (doubt->state == TRANSACTION_UNDER_WAY)
        return DOUBT_ASK_AGAIN;
    return doubt->same_history ? DOUBT_COMMITTED : DOUBT_OPEN;
}
