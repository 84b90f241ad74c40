#include "pool/codes.inc"
