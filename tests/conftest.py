"""For all tests: the cores are shared as in the program, and Ctrl-C means what it means."""

import signal

from rtviz import threads

threads.draw_in_one_thread()
threads.sleep_while_waiting()
# A shell starts what runs in the background with Ctrl-C ignored, and every program that a test starts would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
