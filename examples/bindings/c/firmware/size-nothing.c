/* An empty program, whose size is subtracted from those of the others. */
#include "start.h"

int run(void)
{
    return 1;
}
