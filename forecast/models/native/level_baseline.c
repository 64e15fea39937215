#define LANES 4
#define PANEL 2
#define REGISTERS 16
#include "level.h"

const level_code forecast_baseline = {LANES, packed_floats, pack, forward, backward};
