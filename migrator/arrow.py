"""Where Arrow's memory comes from: the allocator that everything else uses.

Arrow's own one (mimalloc) keeps for itself what it was given once: some 30 MB after a manifest was
read and a report was written, for columns of a few megabytes. Arrow looks only once, when it is
imported: rooms that use it import this first. Who runs the program may name another one.
"""

import os

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
