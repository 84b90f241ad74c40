# The engine's instruction sets as a compiler's flags; for the engine and for tests that build its sources again.
set(FB_FLAGS_avx2 -mavx2 -mfma -mbmi2 -mf16c)
set(FB_FLAGS_avxvnni ${FB_FLAGS_avx2} -mavxvnni)
set(FB_FLAGS_avx512bw ${FB_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(FB_FLAGS_avx512vnni ${FB_FLAGS_avx512bw} -mavx512vnni)
set(FB_FLAGS_amx_int8 ${FB_FLAGS_avx512vnni} -mamx-tile -mamx-int8)
