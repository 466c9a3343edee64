// pulumi-resource-random serves terraform-provider-random to the Pulumi engine. The provider and the bridge are the
// published ones; only this main is ours (see ../../../../README.md).
package main

import (
	"context"
	"errors"
	"log"

	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"chatmail-proxy/toolchain/bridge"
)

// version is set by the linker, from the npm pin of the SDK that talks to this plugin.
var version = "0.0.0"

// randomName puts the word Random before each name: random_password is random:index/randomPassword:RandomPassword.
func randomName(module, name string) (string, error) {
	return tokens.MakeStandard("random")(module, "Random"+name)
}

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		Name:         "random",
		P:            pfbridge.ShimProvider(shim.Provider()),
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Resources: map[string]*tfbridge.ResourceInfo{
			"random_bytes": {ComputeID: valueAsID},
		},
		EnableAccurateBridgePreview: true,
		EnableRawStateDelta:         true,
	}
	info.MustComputeTokens(tokens.SingleModule("random_", "index", randomName))
	return info
}

// valueAsID makes the random value itself the ID of RandomBytes, in plain text, as the published plugin does. A trap kept
// on purpose: what takes RandomBytes for a secret must show it here too.
func valueAsID(_ context.Context, state resource.PropertyMap) (resource.ID, error) {
	value := state["base64"]
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	if !value.IsString() {
		return "", errors.New("random_bytes: the provider gave no base64 value to take as ID")
	}
	return resource.ID(value.StringValue()), nil
}

func main() {
	info := provider()
	schema, err := bridge.Schema(info)
	if err != nil {
		log.Fatalf("pulumi-resource-random: %v", err)
	}
	pfbridge.Main(context.Background(), "random", info, pfbridge.ProviderMetadata{PackageSchema: schema})
}
