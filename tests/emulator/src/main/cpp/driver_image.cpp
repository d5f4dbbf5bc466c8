// Reading cubins (ELF) and PTX text, no further than the driver's own checks and the kernels' attributes need.
#include "driver_image.h"

#include <elf.h>

#include <cstring>
#include <regex>

namespace weir::emulator {

namespace {

constexpr uint16_t EM_CUDA_MACHINE = 190;
constexpr uint8_t CUDA_13_ABI = 8;      // ELF ABI version of what nvcc 13 writes; before: 7
constexpr int CUDA_13 = 13000;
constexpr int CUDA_13_PTX = 90;         // PTX ISA 9.0 came with CUDA 13.0
constexpr int FIRST_RESERVING_ARCHITECTURE = 90, RESERVED_SHARED = 1024;
constexpr int MAX_SECTIONS = 1 << 16;

// Attributes in .nv.info sections.
constexpr uint8_t PARAMETER_INFO = 0x17, MAX_THREADS = 0x05, REGISTER_COUNT = 0x2f, FRAME_SIZE = 0x11;
constexpr uint8_t SIZED_VALUE = 4; // format: two bytes of size, then the value
constexpr uint8_t ARCHITECTURE_SPECIFIC = 0x09; // in .nv.compat: 1 for sm_90a and its like

struct Attribute {
  uint8_t format, name;
  uint16_t value;
  const uint8_t *data; // of a sized value
};

template <class T> T read_as(const uint8_t *at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

std::vector<Attribute> attributes_of(const uint8_t *data, uint64_t bytes) {
  std::vector<Attribute> all;
  for (uint64_t at = 0; at + 4 <= bytes;) {
    Attribute one{data[at], data[at + 1], read_as<uint16_t>(data + at + 2), data + at + 4};
    at += 4u + (one.format == SIZED_VALUE ? one.value : 0u);
    if (at > bytes) {
      refuse(CUDA_ERROR_INVALID_IMAGE);
    }
    all.push_back(one);
  }
  return all;
}

class Elf {
public:
  explicit Elf(const uint8_t *bytes) : bytes_(bytes), header_(read_as<Elf64_Ehdr>(bytes)) {
    if (header_.e_machine != EM_CUDA_MACHINE || header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_shnum == 0 ||
        header_.e_shnum >= MAX_SECTIONS || header_.e_shstrndx >= header_.e_shnum ||
        header_.e_shentsize != sizeof(Elf64_Shdr)) {
      refuse(CUDA_ERROR_INVALID_IMAGE);
    }
    for (int index = 0; index < header_.e_shnum; index++) {
      sections_.push_back(
          read_as<Elf64_Shdr>(bytes + header_.e_shoff + static_cast<uint64_t>(index) * sizeof(Elf64_Shdr)));
    }
  }

  const Elf64_Ehdr &header() const { return header_; }
  const std::vector<Elf64_Shdr> &sections() const { return sections_; }
  const uint8_t *data(const Elf64_Shdr &section) const { return bytes_ + section.sh_offset; }
  std::string name(const Elf64_Shdr &section) const { return text(header_.e_shstrndx, section.sh_name); }
  std::string text(uint32_t strings, uint32_t offset) const {
    const Elf64_Shdr &table = sections_.at(strings);
    if (offset >= table.sh_size) {
      refuse(CUDA_ERROR_INVALID_IMAGE);
    }
    return reinterpret_cast<const char *>(data(table)) + offset;
  }
  const Elf64_Shdr *find(const std::string &wanted) const {
    for (const Elf64_Shdr &section : sections_) {
      if (name(section) == wanted) {
        return &section;
      }
    }
    return nullptr;
  }
  std::vector<Attribute> attributes(const std::string &section) const {
    const Elf64_Shdr *found = find(section);
    return found == nullptr ? std::vector<Attribute>() : attributes_of(data(*found), found->sh_size);
  }

private:
  const uint8_t *bytes_;
  Elf64_Ehdr header_;
  std::vector<Elf64_Shdr> sections_;
};

int architecture_of(const Elf &elf) { return static_cast<int>(elf.header().e_flags >> 8 & 0xFF); }

// A cubin runs on devices of its major version with at least its minor one; one for "a" on exactly its own.
void check_architecture(const Elf &elf) {
  const Configuration &configuration = world().configuration;
  if (elf.header().e_ident[EI_ABIVERSION] >= CUDA_13_ABI && configuration.driver < CUDA_13) {
    refuse(CUDA_ERROR_INVALID_IMAGE); // an older driver does not know the format
  }
  int architecture = architecture_of(elf);
  int major = architecture / 10, minor = architecture % 10;
  bool exact = false;
  for (const Attribute &attribute : elf.attributes(".nv.compat")) {
    exact |= attribute.name == ARCHITECTURE_SPECIFIC && (attribute.value & 0xFF) == 1;
  }
  bool runs = major == configuration.major &&
              (exact ? minor == configuration.minor : minor <= configuration.minor);
  if (!runs) {
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU);
  }
}

// From sm_90 on a kernel's shared section begins with what the system keeps for itself, which is not the kernel's.
int static_shared(const Elf &elf, const Elf64_Shdr &section) {
  bool reserves = architecture_of(elf) >= FIRST_RESERVING_ARCHITECTURE && section.sh_size >= RESERVED_SHARED;
  return static_cast<int>(section.sh_size) - (reserves ? RESERVED_SHARED : 0);
}

void read_kernel_info(const Elf &elf, const std::string &name, ImageKernel &kernel) {
  std::map<uint16_t, std::pair<uint32_t, uint32_t>> parameters;
  for (const Attribute &attribute : elf.attributes(".nv.info." + name)) {
    if (attribute.name == MAX_THREADS) {
      kernel.max_threads = static_cast<int>(read_as<uint32_t>(attribute.data));
    } else if (attribute.name == PARAMETER_INFO) {
      uint16_t ordinal = read_as<uint16_t>(attribute.data + 4);
      uint16_t offset = read_as<uint16_t>(attribute.data + 6);
      parameters[ordinal] = {offset, read_as<uint32_t>(attribute.data + 8) >> 18};
    }
  }
  for (auto &[ordinal, parameter] : parameters) {
    kernel.parameters.push_back(parameter);
  }
  if (const Elf64_Shdr *shared = elf.find(".nv.shared." + name)) {
    kernel.static_shared = static_shared(elf, *shared);
  }
  if (const Elf64_Shdr *constants = elf.find(".nv.constant2." + name)) {
    kernel.constant_bytes = static_cast<int>(constants->sh_size);
  }
}

Image read_cubin(const uint8_t *bytes) {
  Elf elf(bytes);
  check_architecture(elf);
  Image image;
  for (const Elf64_Shdr &table : elf.sections()) {
    if (table.sh_type != SHT_SYMTAB) {
      continue;
    }
    std::map<uint32_t, std::string> kernels; // by symbol index
    for (uint64_t index = 0; index < table.sh_size / sizeof(Elf64_Sym); index++) {
      Elf64_Sym symbol = read_as<Elf64_Sym>(elf.data(table) + index * sizeof(Elf64_Sym));
      std::string name = elf.text(table.sh_link, symbol.st_name);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= elf.sections().size()) {
        continue;
      }
      const Elf64_Shdr &home = elf.sections()[symbol.st_shndx];
      int type = ELF64_ST_TYPE(symbol.st_info);
      if (type == STT_FUNC && elf.name(home) == ".text." + name) {
        read_kernel_info(elf, name, image.kernels[name]);
        kernels[static_cast<uint32_t>(index)] = name;
      } else if (type == STT_OBJECT && home.sh_type != SHT_NOBITS) {
        const uint8_t *first = elf.data(home) + symbol.st_value;
        image.variables[name].assign(first, first + symbol.st_size);
      } else if (type == STT_OBJECT) {
        image.variables[name].assign(symbol.st_size, 0);
      }
    }
    for (const Attribute &attribute : elf.attributes(".nv.info")) {
      auto kernel = attribute.format == SIZED_VALUE ? kernels.find(read_as<uint32_t>(attribute.data)) : kernels.end();
      if (kernel != kernels.end() && attribute.name == REGISTER_COUNT) {
        image.kernels[kernel->second].registers = static_cast<int>(read_as<uint32_t>(attribute.data + 4));
      } else if (kernel != kernels.end() && attribute.name == FRAME_SIZE) {
        image.kernels[kernel->second].local_bytes = static_cast<int>(read_as<uint32_t>(attribute.data + 4));
      }
    }
  }
  return image;
}

int number_in(const std::smatch &match, size_t group) { return std::stoi(match[group].str()); }

Image read_ptx(const std::string &text) {
  const Configuration &configuration = world().configuration;
  static const std::regex VERSION(R"(\.version\s+(\d+)\.(\d+))"), TARGET(R"(\.target\s+sm_(\d+)([af]?))"),
      ENTRY(R"(\.entry\s+(\w+)\s*\()"), THREADS(R"(\.maxntid\s+(\d+))"),
      PARAMETER(R"(\.param\s+\.align\s+\d+\s+\.b8\s+\w+\[(\d+)\])"),
      VARIABLE(R"(\.global\s+\.align\s+4\s+\.u32\s+(\w+)(?:\s*=\s*(\d+))?;)");
  std::smatch version, target;
  if (!std::regex_search(text, version, VERSION) || !std::regex_search(text, target, TARGET)) {
    refuse(CUDA_ERROR_INVALID_PTX);
  }
  if (number_in(version, 1) * 10 + number_in(version, 2) >= CUDA_13_PTX && configuration.driver < CUDA_13) {
    refuse(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  }
  int device = configuration.major * 10 + configuration.minor, compute = number_in(target, 1);
  if (target[2] == "a" ? compute != device : compute > device) {
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU);
  }
  Image image;
  for (std::sregex_iterator entry(text.begin(), text.end(), ENTRY), end; entry != end; ++entry) {
    ImageKernel &kernel = image.kernels[(*entry)[1].str()];
    size_t body = text.find('{', static_cast<size_t>(entry->position()));
    std::string head = text.substr(static_cast<size_t>(entry->position()), body - static_cast<size_t>(entry->position()));
    std::smatch found;
    if (std::regex_search(head, found, THREADS)) {
      kernel.max_threads = number_in(found, 1);
    }
    if (std::regex_search(head, found, PARAMETER)) {
      kernel.parameters.push_back({0, static_cast<uint32_t>(number_in(found, 1))});
    }
  }
  for (std::sregex_iterator variable(text.begin(), text.end(), VARIABLE), end; variable != end; ++variable) {
    uint32_t value = static_cast<uint32_t>((*variable)[2].matched ? std::stoul((*variable)[2].str()) : 0);
    const uint8_t *first = reinterpret_cast<const uint8_t *>(&value);
    image.variables[(*variable)[1].str()].assign(first, first + sizeof value);
  }
  return image;
}

} // namespace

Image read_image(const void *image) {
  const uint8_t *bytes = static_cast<const uint8_t *>(image);
  if (memcmp(bytes, ELFMAG, SELFMAG) == 0) {
    try {
      return read_cubin(bytes);
    } catch (const std::out_of_range &) {
      refuse(CUDA_ERROR_INVALID_IMAGE);
    }
  }
  if (bytes[0] >= 0x80 || strstr(static_cast<const char *>(image), ".version") == nullptr) {
    refuse(CUDA_ERROR_INVALID_IMAGE);
  }
  return read_ptx(static_cast<const char *>(image));
}

} // namespace weir::emulator
