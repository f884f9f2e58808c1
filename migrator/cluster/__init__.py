"""Listing the source and looking at its objects by the workers of a Dask cluster.

What a cluster does, Dask does: scheduling, retries, lost workers, scaling. In here is what is cut
into tasks (`partition`), what a worker does for one (`task`), the parts that they leave (`parts`),
the order in which parts are read (`order`), and the way to the scheduler (`workers`). `crew` joins
them into what the engine and `migrator list` know as a cluster.
"""
