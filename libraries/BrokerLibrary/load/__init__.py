"""A load driver that is not the limit of what it measures: processes that build, send, read and check messages.

Whoever wants a load has a `Crew` of worker processes and lets them `perform` a `Stage`: producers, consumers and, for
a baseline, a raw relay. Each worker gets one job as a line of JSON, says that it is ready (its subscriptions
acknowledged), begins when it is told, and answers with one line of JSON. No message passes through Robot Framework.

| module | what is in it |
|---|---|
| `kernels` | compiled: frames are built and checked, every byte |
| `checking`, `durations` | what the kernels count, as findings and histograms |
| `producing`, `consuming`, `relaying` | what a worker does |
| `jobs`, `worker`, `crew` | what a worker is told, its process, and the processes together |
"""
