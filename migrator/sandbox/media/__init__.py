"""Work on what videos hold, by PyAV: functions of paths in, files and values out.

Nothing here knows of the platform: no database, no asyncio, no events. `opening` opens a file that
nobody can vouch for, and `frames` decodes it; `metadata` reads what a container and its streams
say. `rendering` goes through a video once and has `pictures`, `mp4`, `quality` and `scan` look at
its frames; `clip` cuts the free clip. `findings` are the values that come out, in the words of the
API. `worker` is the process in which all of it happens, `jobs` what is said to it and what it
says, and `workers` keeps a few such processes: files that crash or hang a decoder take a worker
along, and never the platform.

The figures of the quality assessment and of the scan are ours, made with simple measures. They
are not Pixop's, and nothing but their shape should be expected to agree with it.
"""
