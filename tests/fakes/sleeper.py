"""In the place of a worker: a process that does nothing for long, whatever becomes of its pipes."""

import time

time.sleep(600)
