#include "model/doubt.h"

// While the row is held, its server process may not have noticed yet that nobody is there any more.
enum doubt_verdict doubt_judge(const struct doubt *doubt)
{
    if (doubt->held)
        return DOUBT_ASK_AGAIN;
    if (doubt->stored == doubt->number)
        return DOUBT_COMMITTED;
    return DOUBT_FAILED;
}
