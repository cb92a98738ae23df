*** Settings ***
Documentation    What still works while a part of the cluster is down: a replica, all replicas, the configuration store.

Resource         ../../resources/failover.resource

Test Teardown    Everything Is Healed And Nothing Is Left

Test Tags        phase:chaos    system:cluster


*** Test Cases ***
Writes go on without a gap of 2 seconds when a replica node dies
    [Tags]    HA-09
    Given A Healthy Cluster
    When Kill A Replica Node While Clients Write
    Then Writes Should Have Gone On Safely    2 seconds    since=a replica node was killed

Without the configuration store writes stop within 8 seconds, resume within 10, and in failsafe mode go on
    [Tags]    HA-14
    When Freeze The Configuration Store Until Writes Stop
    Then Writes Should Have Stopped Within    8 seconds    since=the store was frozen    until=the store came back
    And Writes Should Have Resumed Within    10 seconds    since=the store came back
    And Writes Should Have Been Safe
    When Freeze The Configuration Store In Failsafe Mode
    Then Writes Should Have Gone On Safely    2 seconds    since=the store was frozen

Without replicas reads go on, writes wait in strict synchronous mode and go on in asynchronous mode
    [Tags]    HA-15
    When Kill Both Replica Nodes In Strict Synchronous Mode
    Then Reads Should Have Gone On    1 second    since=both replica nodes were killed
    And Writes Should Have Stopped Within    1 second
    ...    since=both replica nodes were killed    until=the mode was made asynchronous
    And Writes Should Have Resumed Within    10 seconds    since=the mode was made asynchronous
    And Writes Should Have Been Safe
