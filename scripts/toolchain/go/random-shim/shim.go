// Package shim opens terraform-provider-random to our bridge main. The provider lies in an internal package, and Go
// lets only a module whose path lies under the provider's own import it: hence this module's path.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"

	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// Provider returns the random provider as its authors publish it.
func Provider() provider.Provider { return random.New() }
