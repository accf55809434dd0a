/*
 * Stands in for libunwind. With panic = "abort" nothing ever unwinds, and backtraces come out empty; but std names these functions, so something has to
 * be there. An ARM object that the C compiler made names __aeabi_unwind_cpp_pr* too.
 */
typedef unsigned long word;

enum { END_OF_STACK = 5 };

int _Unwind_Backtrace(void *each, void *argument) { (void)each; (void)argument; return END_OF_STACK; }
word _Unwind_GetIP(void *context) { (void)context; return 0; }
word _Unwind_GetIPInfo(void *context, int *before) { (void)context; if (before) *before = 0; return 0; }
word _Unwind_GetCFA(void *context) { (void)context; return 0; }
void *_Unwind_FindEnclosingFunction(void *at) { (void)at; return 0; }

#ifdef __arm__
int _Unwind_VRS_Get(void *context, int class, unsigned number, int kind, void *value) {
    (void)context; (void)class; (void)number; (void)kind;
    if (value) *(unsigned *)value = 0;
    return 0;
}
void __aeabi_unwind_cpp_pr0(void) {}
void __aeabi_unwind_cpp_pr1(void) {}
void __aeabi_unwind_cpp_pr2(void) {}
#endif
