// Command devstack may use the local stack.
package main

import "lad.internal/house/internal/localstack/fake"

func main() { fake.Broken() }
