"""Where the settings of this process come from: apart, so that no other verb imports it."""

import os

from migrator.settings import Layers

layers = Layers(os.environ)
