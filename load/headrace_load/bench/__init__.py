"""`make bench`: what the services do a second and what it costs, beside raw librdkafka on the same bytes.

Reading order: `figures` (what is reported), `traffic` (what is fed in), `stage` (the servers, made fresh for each
repeat), `service` (a service as a process that is watched), `raw`, `drained`, `takeover` and
`money` (the measurements).
"""
