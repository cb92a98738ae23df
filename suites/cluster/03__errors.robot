*** Settings ***
Documentation    What cannot be done is refused with the right error and in bounded time, and leaves nothing behind.

Resource         ../../resources/database.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:regression    system:cluster


*** Test Cases ***
A vector of 128 dimensions is refused with SQLSTATE 22000 in less than 1 second
    [Tags]    CL-13
    ${namespace} =    Given A New Namespace
    ${refusal} =    When An Entry With A Vector Of Dimensions Is Inserted    ${namespace}    128
    Then Refusal Should Have Sqlstate    ${refusal}    22000
    And Refusal Should Name Dimensions    ${refusal}
    And Refusal Should Take    ${refusal}    at_least=0 seconds    below=1 second
    And Namespace Should Hold    ${namespace}    0

A duplicate key is refused with SQLSTATE 23505 in less than 1 second
    [Tags]    CL-14
    ${entry} =    Given A Memory Entry Is Inserted
    ${refusal} =    When A Second Entry With The Same Key Is Inserted    ${entry}
    Then Refusal Should Have Sqlstate    ${refusal}    23505
    And Refusal Should Name Columns    ${refusal}    namespace, key
    And Refusal Should Take    ${refusal}    at_least=0 seconds    below=1 second
    And Entry Should Read Back Unchanged    ${entry}

A port without a server refuses within 1 second, and a silent link times out after 3 to 5 seconds
    [Tags]    CL-15
    ${refused} =    Given Connection Refused By A Port Without A Server
    ${silent} =    When A Client With A Connect Timeout Meets A Hanging Link    3 seconds
    Then Refusal Should Say    ${refused}    Connection refused
    And Refusal Should Take    ${refused}    at_least=0 seconds    below=1 second
    And Refusal Should Say    ${silent}    timeout expired
    And Refusal Should Take    ${silent}    at_least=3 seconds    below=5 seconds
