*** Settings ***
Documentation       Toy criteria of the integration phase.

Library             ${CURDIR}/../../toylibrary.py
Test Tags           phase:integration    system:cluster


*** Test Cases ***
The server answers within 5 ms
    [Tags]    CL-01
    Given a toy system
    When nothing happens
    Then all is well

A missing thing is skipped
    [Tags]    CT-01
    Given a toy system
    When it is skipped because "CT-01 (004 TestCitus) needs citus, which this environment does not declare"
    Then all is well

Another missing thing is skipped
    [Tags]    CT-02
    Given a toy system
    When it is skipped because "CT-02 (004 TestShards) needs citus, which this environment does not declare"
    Then all is well
