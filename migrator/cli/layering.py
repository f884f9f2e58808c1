"""Where the settings of this process come from; apart, so that only verbs with settings import it."""

import os

from migrator.settings import Layers

layers = Layers(os.environ)
