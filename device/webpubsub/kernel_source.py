"""The kernels as viper source, compiled on the board: see kernels.py.

One blank deep and with short names, because this text is in the bytecode as it stands.

mask_copy: words where both sides are equally aligned (an unaligned word access traps on Xtensa).
utf8_check: `l` to `h` is the range that the next byte must be in, `u` how many are due; the
state packs them as l << 16 | h << 8 | u << 1. Four bytes of ASCII are passed over at a time.
"""

SOURCE = """
@micropython.viper
def mask_copy(t,to:int,s,a:int,n:int,key:int):
 d=int(ptr8(t))+to
 s8=ptr8(int(ptr8(s))+a)
 d8=ptr8(d)
 k=ptr8(int(ptr8(t))+key)
 i=0
 if (d|int(s8))&3==0:
  w=int(k[0])|int(k[1])<<8|int(k[2])<<16|int(k[3])<<24
  d32=ptr32(d)
  s32=ptr32(int(s8))
  m=n>>2
  while i+8<=m:
   d32[i]=int(s32[i])^w
   d32[i+1]=int(s32[i+1])^w
   d32[i+2]=int(s32[i+2])^w
   d32[i+3]=int(s32[i+3])^w
   d32[i+4]=int(s32[i+4])^w
   d32[i+5]=int(s32[i+5])^w
   d32[i+6]=int(s32[i+6])^w
   d32[i+7]=int(s32[i+7])^w
   i+=8
  while i<m:
   d32[i]=int(s32[i])^w
   i+=1
  i=m<<2
 while i<n:
  d8[i]=int(s8[i])^int(k[i&3])
  i+=1
@micropython.viper
def utf8_check(a,i:int,end:int,s:int)->int:
 p=int(ptr8(a))
 d=ptr8(p)
 if s==1:
  return 1
 l=s>>16
 h=s>>8&255
 u=s>>1&3
 while i<end:
  if u==0:
   while (p+i)&3 and i<end and int(d[i])<128:
    i+=1
   if (p+i)&3==0:
    while i+4<=end:
     w=ptr32(p+i)
     if int(w[0])&int(0x80808080):
      break
     i+=4
   if i>=end:
    break
   c=int(d[i])
   i+=1
   if c<128:
    continue
   if c<0xC2 or c>0xF4:
    return 1
   l=0x80
   h=0xBF
   u=1 if c<0xE0 else 2 if c<0xF0 else 3
   if c==0xE0:
    l=0xA0
   if c==0xED:
    h=0x9F
   if c==0xF0:
    l=0x90
   if c==0xF4:
    h=0x8F
  else:
   c=int(d[i])
   i+=1
   if c<l or c>h:
    return 1
   l=0x80
   h=0xBF
   u-=1
 return l<<16|h<<8|u<<1 if u else 0
"""
