*** Settings ***
Documentation     The Mycelium broker: topics and queues over a Unix socket. It was specified by the tickets MYC-001 to
...               MYC-008 and never built, so that the contract made of them is what it is held to. Where the tickets
...               contradict each other a test names the decision by its number there.

Resource          ../../resources/environment.resource

Suite Setup       Start System    broker
Suite Teardown    Stop System    broker
